"""A command that hosts/lazy.py loads."""

from __future__ import annotations

import click


@click.group()
def works() -> None:
    pass


@works.command()
@click.option("--deep", is_flag=True)
def well(deep: bool) -> None:
    click.echo("well")
