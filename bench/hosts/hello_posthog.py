"""Hello, with posthog. A program that ends must call shutdown, say its docs, or events may be lost."""

from __future__ import annotations

import os

import click
from posthog import Posthog  # type: ignore[import-not-found, import-untyped, unused-ignore]

posthog = Posthog("hello", host=os.environ["BENCH_ENDPOINT"])


@click.command()
@click.option("--name", default="world")
def hello(name: str) -> None:
    """Greet somebody."""
    click.echo(f"Hello {name}")
    posthog.capture("command_run", distinct_id="00000000-0000-4000-8000-000000000000", properties={"ok": True})
    posthog.shutdown()


if __name__ == "__main__":
    hello(prog_name="hello")
