"""Probe: a tool that ends in every way, with us or, where PROBE_IS_BARE is set, without."""

from __future__ import annotations

import os
import signal
import sys
import time
from types import FrameType
from typing import Optional

import click


@click.group()
def cli() -> None:
    """Look at a container from inside."""


@cli.command()
def hello() -> None:
    click.echo("hello")


@cli.command("exit")
@click.argument("status", type=int)
def leave(status: int) -> None:
    click.echo("out")
    click.echo("err", err=True)
    sys.exit(status)


@cli.command()
def fail() -> None:
    raise ValueError("it failed")


@cli.command()
def copy() -> None:
    """All of stdin to stdout, byte for byte."""
    sys.stderr.write("reading\n")
    sys.stderr.flush()
    while chunk := os.read(0, 4096):
        sys.stdout.buffer.write(chunk)
    sys.stderr.write("copied\n")


@cli.command()
def terminals() -> None:
    click.echo([os.isatty(descriptor) for descriptor in range(3)])


@cli.command()
@click.option("--politely", is_flag=True, help="Leave with status 3 when asked to.")
def wait(politely: bool) -> None:
    if politely:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _leave)
    click.echo("waiting")
    sys.stdout.flush()
    while True:
        time.sleep(60)


def _leave(number: int, _frame: Optional[FrameType]) -> None:
    click.echo(f"got {signal.Signals(number).name}")
    sys.exit(3)


if not os.environ.get("PROBE_IS_BARE"):
    from cli_analytics import Analytics

    Analytics("probe", version="1.2.3", manifest=os.path.join(os.path.dirname(__file__), "analytics.toml")).attach(cli)

if __name__ == "__main__":
    cli(prog_name="probe")
