"""The command line for maintainers and operators: cli-analytics demo | check | docs | shell | collect | report.

Exit status: 0 done, 1 the answer is no or the input is wrong, 2 wrong usage.
"""

from __future__ import annotations

import datetime
import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, TypeVar

import click
from click.core import ParameterSource

from cli_analytics import __version__, disclosure, manifest, sinks
from cli_analytics.errors import CliAnalyticsError, ManifestError

if TYPE_CHECKING:
    from cli_analytics import collector

Function = TypeVar("Function", bound=Callable[..., Any])

DATE = click.DateTime(["%Y-%m-%d"])
MANIFEST = click.argument("path", metavar="[ANALYTICS.TOML]", default="analytics.toml", type=click.Path())


def _says_what_is_wrong(function: Function) -> Function:
    """An error on purpose ends a command with one line and exit status 1."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except (CliAnalyticsError, OSError) as error:
            raise click.ClickException(str(error)) from error

    return wrapper  # type: ignore[return-value]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cli-analytics")
def main() -> None:
    """Usage analytics for command-line tools that nobody has to be ashamed of.

    \b
    See it work from end to end:      cli-analytics demo
    Complete commands in your shell:  eval "$(_CLI_ANALYTICS_COMPLETE=bash_source cli-analytics)"
    """


@main.command()
@MANIFEST
@click.option("--live", is_flag=True, help="Ask Google Analytics what it says of a sample of every event.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def check(path: str, live: bool, as_json: bool) -> None:
    """Check a manifest and say what is wrong in it.

    Exits with 1 if something is: file, key, what is wrong and what is allowed.

    With --live, a manifest that is right is also put to the validation server of each of its ga4 sinks. That server
    looks at names and values, not at the measurement id or the secret; what it is sent gets into no report.

    \b
    Example:  cli-analytics check src/mytool/analytics.toml
              cli-analytics check --live
    """
    try:
        declared = manifest.load(path)
    except ManifestError as error:
        if not as_json:
            raise click.ClickException(str(error)) from error
        problem = {"file": error.file, "key": error.key, "problem": error.problem, "allowed": error.allowed}
        click.echo(json.dumps({"valid": False, "error": problem}, indent=2))
        sys.exit(1)
    problems = sinks.problems(declared)
    if live and not problems:
        from cli_analytics import validation

        problems = validation.ask(declared, functools.partial(click.echo, nl=False, err=as_json))
    events = {name: sorted(item.properties) for name, item in declared.events.items()}
    if as_json:
        said = {"problems": problems} if problems else {}
        click.echo(json.dumps({"valid": not problems, "tool": declared.tool.name, "events": events, **said}, indent=2))
        sys.exit(bool(problems))
    if problems:
        raise click.ClickException("\n  ".join([f"{path}:", *problems]))
    click.echo(f"{path}: {declared.tool.name} may send {', '.join(events)}")


@main.command()
@MANIFEST
@click.option("--out", default="docs/ANALYTICS.md", show_default=True, help="The page to write.")
@click.option("--check", "only_check", is_flag=True, help="Write nothing; exit with 1 if the page is not up to date.")
@_says_what_is_wrong
def docs(path: str, out: str, only_check: bool) -> None:
    """Write docs/ANALYTICS.md from a manifest.

    The page tells users what is collected, why, by whom, and how to say no.

    \b
    Example:  cli-analytics docs src/mytool/analytics.toml --check
    """
    page = disclosure.page(manifest.load(path))
    target = Path(out)
    if only_check:
        if not target.exists() or target.read_text(encoding="utf-8") != page:
            command = f"cli-analytics docs {path} --out {out}"
            raise click.ClickException(f"{out} does not say what {path} says. Run: {command}")
        click.echo(f"{out} is up to date")
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page, encoding="utf-8")
    click.echo(f"wrote {out}")


@main.command()
@MANIFEST
@click.option("--out", help="The file to write.  [default: standard output]")
@_says_what_is_wrong
def shell(path: str, out: Optional[str]) -> None:
    """Write the shell library of a tool that is written in shell.

    One file of POSIX sh with the manifest in it, which needs neither Python nor this package. It sends to a segment
    sink; a manifest without one is an error, and what the shell can't send to is said on standard error.

    \b
    Example:  cli-analytics shell src/mytool/analytics.toml --out mytool-analytics.sh
    """
    from cli_analytics import shell_library

    text = shell_library.bake(manifest.read(path), file=path)
    for remark in shell_library.remarks(manifest.load(path)):
        _on_stderr(remark)
    if out is None:
        click.echo(text, nl=False)
    else:
        Path(out).write_bytes(text.encode("ascii"))
        click.echo(f"wrote {out}")


@main.command()
@click.option("--manifest", "manifests", multiple=True, required=True, help="A tool's analytics.toml; may be repeated.")
@click.option("--archive", required=True, help="The folder to archive in.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8817, show_default=True, type=click.IntRange(0, 65535), help="0 picks a free one.")
@click.option("--import", "folder", metavar="DIR", help="Take in what was archived in this folder elsewhere, and end.")
@click.option("--json", "as_json", is_flag=True, help="With --import: print one JSON document.")
@click.pass_context
@_says_what_is_wrong
def collect(
    context: click.Context,
    manifests: tuple[str, ...],
    archive: str,
    host: str,
    port: int,
    folder: Optional[str],
    as_json: bool,
) -> None:
    """Receive events and archive them.

    The first line on stdout is the address it listens on. It takes what Segment's clients send, and those of Google
    Analytics 4 and of Universal Analytics, for the tools whose manifests have a sink with that key.

    Only what one of the manifests declares is kept; the sender's address is neither stored nor logged. SIGTERM and
    Ctrl-C end it.

    With --import it doesn't listen: it takes in what a file sink or another collector has written to a folder, without
    anything that the archive has already, and changes nothing in that folder. It exits with 1 if something in it can't
    be read: file, line and what is wrong.

    \b
    Example:  cli-analytics collect --manifest analytics.toml --archive ./archive --port 0
              cli-analytics collect --manifest analytics.toml --archive ./archive --import ./from-the-site
    """
    from cli_analytics import collector

    _check_usage_of_collect(context, imports=folder is not None)
    loaded = [manifest.load(path) for path in manifests]
    if folder is None:
        collector.serve(loaded, archive, host=host, port=port, ready=lambda url: click.echo(url))
    else:
        _show_import(collector.import_folder(folder, loaded, archive, say=_on_stderr), as_json)


def _check_usage_of_collect(context: click.Context, *, imports: bool) -> None:
    given = {
        name
        for name in ("host", "port", "as_json")
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    if imports and given & {"host", "port"}:
        raise click.UsageError("--import listens nowhere: it goes with neither --host nor --port")
    if "as_json" in given and not imports:
        raise click.UsageError("--json goes with --import only")


def _show_import(result: collector.Result, as_json: bool) -> None:
    """What became of the records, and exit status 1 for what could not be read."""
    for problem in result.problems:
        _on_stderr(f"Error: {problem}")
    counts = {key: value for key, value in result._asdict().items() if key != "problems"}
    if as_json:
        problems = [problem._asdict() for problem in result.problems]
        click.echo(json.dumps({**counts, "problems": problems}, indent=2))
    else:
        click.echo(", ".join(f"{key.replace('_', ' ')} {value}" for key, value in counts.items()))
    sys.exit(bool(result.problems))


_on_stderr = functools.partial(click.echo, err=True)


@main.command()
@click.argument("archive")
@click.option("--out", required=True, help="The folder to write CSV files to.")
@click.option("--since", type=DATE, help="Only events from this day on.")
@click.option("--until", type=DATE, help="Only events up to this day.")
@click.option("--tool", help="Only events of this tool.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@_says_what_is_wrong
def report(
    archive: str,
    out: str,
    since: Optional[datetime.datetime],
    until: Optional[datetime.datetime],
    tool: Optional[str],
    as_json: bool,
) -> None:
    """Answer questions from an archive.

    One CSV file for each: commands.csv tells which commands are run, in which version, how often, by how many
    installations and in how many starts of containers, how often they fail and how long they take.

    \b
    Example:  cli-analytics report ./archive --out ./report --since 2026-11-01
    """
    from cli_analytics import reports

    written = reports.write(
        archive, out, since=since.date() if since else None, until=until.date() if until else None, tool=tool
    )
    click.echo(json.dumps({"written": written}, indent=2) if as_json else "\n".join(written))


@main.command()
@click.option("--out", help="Keep the archive and the report in this folder.  [default: a temporary one]")
@_says_what_is_wrong
def demo(out: Optional[str]) -> None:
    """Show the whole way of an event.

    An instrumented tool runs as a user would run it; the collector archives its events; the report counts them.

    Everything happens in a folder of its own, on this machine only; your own settings are neither read nor touched.

    \b
    Example:  cli-analytics demo --out ./demo
    """
    from cli_analytics.demo import walk

    walk.through(out)
