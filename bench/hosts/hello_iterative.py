"""Hello, with iterative-telemetry, which posts from a detached process. `url` keeps it on the bench's own server."""

from __future__ import annotations

import os

import click
from iterative_telemetry import (  # type: ignore[import-not-found, import-untyped, unused-ignore]
    IterativeTelemetryLogger,
)

telemetry = IterativeTelemetryLogger("hello", "1.0.0", url=os.environ["BENCH_ENDPOINT"] + "/event")


@click.command()
@click.option("--name", default="world")
def hello(name: str) -> None:
    """Greet somebody."""
    click.echo(f"Hello {name}")
    telemetry.send_cli_call("hello")


if __name__ == "__main__":
    hello(prog_name="hello")
