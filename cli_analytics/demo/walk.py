"""Walk: through all that happens to the events of the example host, on embedded defaults, on this machine only.

The host, the collector and the report are the real ones; the host runs as a user would run it, with a home of its own.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Optional

import click

from cli_analytics import environment, reports, storage
from cli_analytics.errors import CliAnalyticsError

MANIFEST = Path(__file__).with_name("analytics.toml")
START_SECONDS = 15  # for the collector to listen
ARRIVE_SECONDS = 10  # the promise
LINGER_SECONDS = 15  # for the sender to end by itself
EVENTS = 7  # what the runs below record: five commands, an export, a feature

# What a user types, and what there is to see in it.
RUNS = (
    (["add", "Buy milk"], True, "The first run on a terminal shows the notice and records nothing."),
    (
        ["add", "--pin", "Call Ada"],
        True,
        "From the second run on, an event is left on disk; nobody waits for a network.",
    ),
    (["list", "--search", "milk"], True, "A feature event: the search was used. What was searched for stays here."),
    (["export", "--format", "csv"], True, "An event of the tool's own, with a format and a rounded number of notes."),
    (["export", "--fromat", "csv"], True, "A mistyped option: recorded as a usage error, not as it was typed."),
    (
        ["--file", "empty.json", "export"],
        True,
        "A failing command: the class of its error is recorded, never its text.",
    ),
    (["list"], False, "The user says no, for this run by a variable: nothing is recorded."),
    (["analytics", "status"], True, "Whoever wants to know asks."),
)


def through(out: Optional[str]) -> None:
    """Run the whole way and print it. Raises CliAnalyticsError if the events don't arrive."""
    folder = Path(out or tempfile.mkdtemp(prefix="cli-analytics-demo-")).absolute()
    home, archive, answers = folder / "home", folder / "archive", folder / "report"
    home.mkdir(parents=True, exist_ok=True)
    with ExitStack() as cleanup:
        _title("The collector listens on this machine only")
        endpoint = cleanup.enter_context(_collector(archive, folder / "collector.log"))
        click.echo(f"  {endpoint}, archives in {archive}")
        user = _user(home, endpoint)
        cleanup.callback(_wait_for_sender, user)
        _title("A user works with the example tool, jotter")
        for arguments, agrees, comment in RUNS:
            _run(arguments, user if agrees else {**user, environment.SEND: "false"}, home, comment)
        _title("The events arrive")
        for record in _wait_for(archive):
            click.echo(f"  {_line(record)}")
    _title("The report: commands by version")
    for path in reports.write(str(archive), str(answers)):
        _table(Path(path))
    _where(folder, archive, answers, home)


@contextmanager
def _collector(archive: Path, log: Path) -> Iterator[str]:
    """The address of a collector that lives as long as the block."""
    command = [sys.executable, "-m", "cli_analytics", "collect", "--port", "0"]
    command += ["--manifest", str(MANIFEST), "--archive", str(archive)]
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            if not address:
                raise CliAnalyticsError(f"the collector did not start: {log.read_text(encoding='utf-8').strip()}")
            yield address
        finally:
            process.send_signal(signal.SIGTERM)


def _user(home: Path, endpoint: str) -> dict[str, str]:
    """The environment of somebody at a terminal, with nothing of whoever runs the demo but where programs lie."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG", "SYSTEMROOT") if name in os.environ}
    return {**kept, "HOME": str(home), "TERM": "xterm", environment.ENDPOINT: endpoint}


def _run(arguments: list[str], user: dict[str, str], home: Path, comment: str) -> None:
    says_no = f"{environment.SEND}=false " if environment.SEND in user else ""
    typed = " ".join(f'"{word}"' if " " in word else word for word in arguments)
    click.echo()
    click.secho(f"  {comment}", dim=True)
    click.secho(f"  $ {says_no}jotter {typed}", bold=True)
    began = time.perf_counter()
    status, output = _on_terminal([sys.executable, "-m", "cli_analytics.demo.jotter", *arguments], user, home)
    for line in output.splitlines():
        click.echo(f"    {line}")
    click.secho(f"    exit status {status}, {(time.perf_counter() - began) * 1000:.0f} ms", dim=True)


def _on_terminal(command: list[str], user: dict[str, str], home: Path) -> tuple[int, str]:
    """Run a command as if at a terminal; a notice is shown on nothing else."""
    import pty

    ours, theirs = pty.openpty()
    with subprocess.Popen(command, env=user, cwd=home, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        chunks = []
        try:
            while chunk := os.read(ours, 4096):
                chunks.append(chunk)
        except OSError:
            pass  # Linux says so when the last writer is gone
        finally:
            os.close(ours)
    return process.returncode, b"".join(chunks).decode(errors="replace").replace("\r", "")


def _wait_for(archive: Path) -> list[dict[str, Any]]:
    ends = time.monotonic() + ARRIVE_SECONDS
    while True:
        found = [record for path in sorted(archive.rglob("*.gz")) for record in _records(path)]
        if len(found) >= EVENTS:
            return found
        if time.monotonic() > ends:
            raise CliAnalyticsError(f"only {len(found)} of {EVENTS} events arrived within {ARRIVE_SECONDS} s")
        time.sleep(0.1)


def _records(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)
    except EOFError:
        return  # it is being written


def _line(record: dict[str, Any]) -> str:
    return f"{record['event']:<16} {json.dumps(record['properties'])}"


def _wait_for_sender(user: dict[str, str]) -> None:
    """The sender ends by itself when nothing comes any more; nothing of the demo outlives it."""
    click.secho("  the sender waits for more and then ends by itself …", dim=True)
    where = storage.locate("jotter", user)
    ends = time.monotonic() + LINGER_SECONDS
    while time.monotonic() < ends:
        lock = storage.lock(where.sender_lock)
        if lock is not None:
            os.close(lock)
            return
        time.sleep(0.1)


def _table(path: Path) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    widths = [max(map(len, column)) for column in zip(*rows)]
    for number, row in enumerate(rows):
        cells = (
            cell.ljust(width) if index < 3 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths))
        )
        click.secho("  " + "  ".join(cells), bold=number == 0)


def _where(folder: Path, archive: Path, answers: Path, home: Path) -> None:
    _title("Where to look")
    click.echo(f"  report       {answers}")
    click.echo(f"  archive      {archive}  (zcat the .gz files)")
    click.echo(f"  user's side  {home}  (id, stamp, log of what was sent)")
    click.echo(f"  delete all   rm -r {folder}")


def _title(text: str) -> None:
    click.echo()
    click.secho(text, fg="cyan", bold=True)
