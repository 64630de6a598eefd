"""Hello, with what many tools do: post the event with requests, wait a little, ignore every error."""

from __future__ import annotations

import os

import click
import requests

ENDPOINT = os.environ["BENCH_ENDPOINT"]
TIMEOUT_SECONDS = 3


@click.command()
@click.option("--name", default="world")
def hello(name: str) -> None:
    """Greet somebody."""
    click.echo(f"Hello {name}")
    try:
        requests.post(f"{ENDPOINT}/collect", json={"event": "command_run", "command": "hello"}, timeout=TIMEOUT_SECONDS)
    except Exception:
        pass


if __name__ == "__main__":
    hello(prog_name="hello")
