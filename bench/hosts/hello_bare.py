"""Hello, as it is without any analytics."""

from __future__ import annotations

import click


@click.command()
@click.option("--name", default="world")
def hello(name: str) -> None:
    """Greet somebody."""
    click.echo(f"Hello {name}")


if __name__ == "__main__":
    hello(prog_name="hello")
