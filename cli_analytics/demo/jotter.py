"""Jotter: the example host, a small tool that keeps notes, with everything a host does to be instrumented."""

from __future__ import annotations

import json
import os

import click

from cli_analytics import Analytics

analytics = Analytics("jotter", version="1.4.0", manifest=os.path.join(os.path.dirname(__file__), "analytics.toml"))


@click.group()
@click.version_option("1.4.0", prog_name="jotter")
@click.option("--file", default="notes.json", help="Where the notes are kept.")
@click.pass_context
def cli(ctx: click.Context, file: str) -> None:
    """Keep notes."""
    ctx.obj = file


@cli.command()
@click.argument("text")
@click.option("--pin", is_flag=True, help="Put it first.")
@click.pass_obj
def add(file: str, text: str, pin: bool) -> None:
    """Add a note."""
    notes = _read(file)
    notes.insert(0 if pin else len(notes), text)
    with open(file, "w", encoding="utf-8") as target:
        json.dump(notes, target)
    click.echo(f"{len(notes)} notes")


@cli.command("list")
@click.option("--search", help="Only the notes that hold this text.")
@click.pass_obj
def list_notes(file: str, search: str | None) -> None:
    """List the notes."""
    if search:
        analytics.feature("search")
    for note in _read(file):
        if not search or search in note:
            click.echo(note)


@cli.command()
@click.option("--format", "form", type=click.Choice(["csv", "json"]), default="json")
@click.pass_obj
def export(file: str, form: str) -> None:
    """Print all notes."""
    notes = _read(file)
    if not notes:
        raise click.ClickException(f"{file} holds no notes")
    click.echo(json.dumps(notes) if form == "json" else "\n".join(notes))
    analytics.record("notes_exported", format=form, notes=len(notes))


def _read(file: str) -> list[str]:
    if not os.path.exists(file):
        return []
    with open(file, encoding="utf-8") as source:
        notes: list[str] = json.load(source)
    return notes


analytics.attach(cli)

if __name__ == "__main__":
    cli(prog_name="jotter")
