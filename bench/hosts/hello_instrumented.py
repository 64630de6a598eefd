"""Hello, instrumented with cli-analytics as its README says."""

from __future__ import annotations

import os

import click

from cli_analytics import Analytics

analytics = Analytics("hello", version="1.0.0", manifest=os.path.join(os.path.dirname(__file__), "analytics.toml"))


@analytics.command
@click.command()
@click.option("--name", default="world")
def hello(name: str) -> None:
    """Greet somebody."""
    click.echo(f"Hello {name}")


if __name__ == "__main__":
    hello(prog_name="hello")
