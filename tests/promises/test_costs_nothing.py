"""Promise 1, costs nothing: what a host imports because of us, and what a recording run starts."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import audit
import pytest
from support import User, user_at
from watch import needs_proc, until

from cli_analytics import log, storage

# What costs a host more than the whole of a recording. Compared with what bare click loads on the same Python.
NEVER = {
    *("requests", "urllib3", "ssl", "http", "http.client", "urllib.request", "socket", "logging", "asyncio"),
    *("tomllib", "tomli", "importlib.metadata", "importlib_metadata", "subprocess", "email", "multiprocessing"),
}
NEVER_WHEN_INFORMED = NEVER | {
    *("json", "hashlib", "pathlib", "tempfile", "platformdirs", "typing_extensions", "platform", "dataclasses"),
    *("sqlite3", "pwd", "uuid", "gzip", "zlib", "cli_analytics.manifest", "cli_analytics.gate"),
}

BARE = """
import click

@click.group()
def cli():
    pass

@cli.command()
def hello():
    click.echo("hello")

cli(prog_name="mytool")
"""


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    with user_at(tmp_path) as somebody:
        somebody.inform()
        yield somebody


def imported(user: User, *arguments: str) -> set[str]:
    """All that a process imports, as Python itself reports it."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        env=user.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    assert lines, "no list of imports"
    return {line.rpartition("|")[2].strip() for line in lines}


def bare(user: User) -> set[str]:
    script = user.folder / "bare.py"
    script.write_text(BARE, encoding="utf-8")
    return imported(user, str(script), "hello")


def test_the_import_loads_nothing_heavy(user: User) -> None:
    added = imported(user, "-c", "import cli_analytics") - imported(user, "-c", "pass")
    assert added & NEVER_WHEN_INFORMED == set()


def test_a_recorded_command_loads_nothing_heavy(user: User) -> None:
    user.run("hello")
    added = imported(user, str(user.host), "hello") - bare(user)
    assert added & NEVER_WHEN_INFORMED == set()
    assert len(user.kept()) == 2, "both were recorded"


def test_a_recorded_command_beside_a_living_sender_does_not_even_load_what_starts_one(user: User) -> None:
    lock = storage.lock(user.where.sender_lock)
    assert lock is not None
    user.run("hello")
    known = bare(user)
    os.utime(user.where.sender_lock)  # as a living one does all the time
    added = imported(user, str(user.host), "hello") - known
    os.close(lock)
    assert added & NEVER_WHEN_INFORMED == set()
    assert "cli_analytics.sender" not in added
    assert len(user.appended()) == 2, "both were recorded"


def test_a_command_with_an_event_of_its_own_loads_nothing_heavy(user: User) -> None:
    added = imported(user, str(user.host), "export", "7") - bare(user)
    assert added & NEVER_WHEN_INFORMED == set()


def test_a_run_that_was_told_no_loads_nothing_heavy(user: User) -> None:
    Path(user.where.config).mkdir(parents=True)
    Path(user.where.choice).write_text("off\n", encoding="ascii")
    assert (imported(user, str(user.host), "hello") - bare(user)) & NEVER_WHEN_INFORMED == set()


def test_a_run_that_nobody_was_told_of_loads_nothing_heavy(tmp_path: Path) -> None:
    with user_at(tmp_path) as fresh:
        assert (imported(fresh, str(fresh.host), "hello") - bare(fresh)) & NEVER_WHEN_INFORMED == set()


def test_a_recorded_run_beside_a_living_sender_starts_no_process_and_no_thread(user: User) -> None:
    lock = storage.lock(user.where.sender_lock)
    assert lock is not None
    seen = audit.run(user.host, "export", "7", environ=user.environ)
    os.close(lock)
    assert len(user.appended()) == 2
    assert seen.of((*audit.STARTS, *audit.THREADS, *audit.SOCKETS)) == []
    assert seen.threads == 1


@needs_proc
def test_a_recorded_run_without_one_starts_one_process_and_opens_no_socket(user: User) -> None:
    seen = audit.run(user.host, "export", "7", environ=user.environ)
    assert len(seen.of(audit.STARTS)) == 1
    assert seen.of((*audit.THREADS, *audit.SOCKETS)) == []
    assert seen.threads == 1


def test_within_the_pause_after_a_failure_no_process_is_started(user: User) -> None:
    user.run("hello")
    until(lambda: log.read(user.where))
    user.end()
    until(lambda: not user.senders())
    seen = audit.run(user.host, "export", "7", environ=user.environ)
    assert seen.of((*audit.STARTS, *audit.THREADS, *audit.SOCKETS)) == []


TIMED = """
import sys, time
from cli_analytics import Analytics

analytics = Analytics("mytool", version="1.2.3", manifest=sys.argv[1])
times = []
for _ in range(100):
    began = time.perf_counter()
    analytics.record("report_exported", format="csv", rows=7)
    times.append((time.perf_counter() - began) * 1000)
print(*times)
"""


def test_an_event_is_recorded_within_two_milliseconds(user: User) -> None:
    lock = storage.lock(user.where.sender_lock)
    assert lock is not None
    done = subprocess.run(
        [sys.executable, "-c", TIMED, str(user.manifest)], env=user.environ, capture_output=True, text=True, timeout=60
    )
    os.close(lock)
    times = [float(number) for number in done.stdout.split()]
    assert len(user.appended()) == len(times) == 100
    assert statistics.median(times) < 2.0
