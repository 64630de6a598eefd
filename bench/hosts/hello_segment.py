"""Hello, with segment-analytics-python. A program that ends must flush, say its docs, or nothing is sent."""

from __future__ import annotations

import os

import click
import segment.analytics as analytics  # type: ignore[import-not-found, import-untyped, unused-ignore]

analytics.write_key = "hello"
analytics.host = os.environ["BENCH_ENDPOINT"]


@click.command()
@click.option("--name", default="world")
def hello(name: str) -> None:
    """Greet somebody."""
    click.echo(f"Hello {name}")
    analytics.track(anonymous_id="00000000-0000-4000-8000-000000000000", event="command_run", properties={"ok": True})
    analytics.flush()


if __name__ == "__main__":
    hello(prog_name="hello")
