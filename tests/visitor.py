"""Visitor: a user to whose home or surroundings something happens; homes.py is the table of what.

Each run of the tool can be compared with one of the same tool without us. All that differs for a process is in the
variables, in what stands before its command, and in the files.
"""

from __future__ import annotations

import functools
import os
import pty
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, NamedTuple, Optional

import breakers
from support import CLOSED, User, read_terminal

from cli_analytics import disclosure, log, manifest, storage

HANGS_SECONDS = 60.0

# Lines marked `ours` are empty in the bare host, so that the numbers of the others stay.
HOST = """\
import logging, os, resource, sys, threading
from pathlib import Path

import click

from cli_analytics import Analytics  # ours

FOLDER = Path(__file__).parent
logging.basicConfig(level=logging.DEBUG)  # all of it, to stderr


def mark(hook):
    with open(FOLDER / "marks", "a", encoding="utf-8") as file:
        file.write(f"{hook}\\n")


sys.unraisablehook = threading.excepthook = mark
analytics = Analytics("mytool", version="1.2.3", manifest=FOLDER / "analytics.toml")  # ours


@click.group()
def cli():
    pass


@cli.command()
def work():
    if "ELSEWHERE" in os.environ:
        os.chdir(os.environ["ELSEWHERE"])
    if "DESCRIPTORS" in os.environ:
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(os.environ["DESCRIPTORS"]),) * 2)
    logging.getLogger("mytool").debug("words of the host's own")
    analytics.record("report_exported", format="csv", rows=7)  # ours
    click.echo("result")
    click.echo("complaint", err=True)
    sys.exit(3)


analytics.attach(cli)  # ours
cli(prog_name="mytool")
"""
BARE = "".join("\n" if "# ours" in line else line for line in HOST.splitlines(keepends=True))


class Ended(NamedTuple):
    """How a process ended, what it printed, on a terminal or not, and what its hooks were called with."""

    status: int
    stdout: str
    stderr: str
    marks: str = ""


class Visitor(User):
    """A user to whose home or surroundings something happens."""

    def __init__(self, folder: Path, model: Optional[Visitor] = None) -> None:
        super().__init__(folder, CLOSED)
        self.model = model or self  # somebody who was told, and to whom nothing has happened
        self.prefix: list[str] = []
        self.flags = ["-W", "error"]
        self.changes: dict[str, Optional[str]] = {}  # to the variables
        self.files = self.where  # of the home as it was
        self.host.write_text(HOST, encoding="utf-8")
        self.host.with_name("bare.py").write_text(BARE, encoding="utf-8")

    def copy(self, folder: Path) -> Visitor:
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return Visitor(folder, self.model)

    def call(self, *arguments: str, script: str = "host.py", terminal: bool = False) -> Ended:
        """Run the tool, with its standard error on a terminal or not."""
        command = [*self.prefix, sys.executable, *self.flags, str(self.host.with_name(script)), *arguments]
        changed = {**self.environ, **self.changes}
        environ = {name: value for name, value in changed.items() if value is not None}
        marks = self.host.with_name("marks")
        marks.write_bytes(b"")
        marks.chmod(0o666)
        ended = _run(command, environ, self.folder, terminal=terminal)
        return ended._replace(stderr=ended.stderr.replace(script, "host.py"), marks=marks.read_text(encoding="utf-8"))

    def bare(self, *, terminal: bool = False) -> Ended:
        """The same run of the same tool without us; one for all where nothing of what differs is this user's."""
        is_own = str(self.folder) in str((self.prefix, self.changes))
        folder = self.folder if is_own else self.model.folder
        return _bare(folder, tuple(self.prefix), tuple(self.flags), tuple(self.changes.items()), terminal)

    def events(self) -> list[str]:
        """The events of this user's, wherever they lie."""
        return sorted(path.name for path in self.folder.rglob("*-*-*.json"))

    def ids(self) -> list[str]:
        """The files that hold a client id, drafts included."""
        found = (path for path in self.folder.rglob("client-id*") if path.is_file() and not path.is_symlink())
        return sorted(str(path) for path in found)

    def says_off(self) -> bool:
        """Whether a choice of off was kept anywhere."""
        choices = [path for path in self.folder.rglob("choice") if path.is_file() and os.access(path, os.R_OK)]
        return any(path.stat().st_size < 100 and path.read_bytes().startswith(b"off") for path in choices)

    def inform(self) -> None:
        """All that there can be: told, with an id, two events that wait, a log, and choices everywhere."""
        assert notice_text(self) in self.call("work", terminal=True).stderr
        breakers.hold(self.files)  # so that no sender starts
        assert self.call("work").status == 3
        assert len(self.events()) == 2
        log.append(self.files, {"sent_at": "2026-01-02T03:04:05.678Z", "delivery": "DELIVERED", "status": 200})
        for lock in (self.files.notice_lock, self.files.sender_lock):
            storage.replace(lock, b"")
            os.utime(lock, (0, 0))
        for choice in (self.files.choice, self.files.user_choice, *self.files.machine_choices):
            storage.replace(choice, b"on 2026-01-02\n")


class People:
    """Somebody who was told and somebody who was not, at a place where all users can look."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.folder.chmod(0o755)
        told = Visitor(self.folder / "told")
        told.inform()
        self._known = {"told": told, "stranger": Visitor(self.folder / "stranger", told)}

    def copy(self, who: str) -> Visitor:
        return self._known[who].copy(Path(tempfile.mkdtemp(dir=self.folder)))

    def remove(self, folder: Path) -> None:
        """Delete it, whatever the modes of what is in it."""
        subprocess.run(["chmod", "-R", "u+rwX", str(folder)], check=True)
        shutil.rmtree(folder)


def notice_text(user: Visitor) -> str:
    declared = manifest.load(str(user.manifest))
    return disclosure.notice(declared, declared.sinks, commands="mytool analytics", where="")


@functools.cache
def _bare(folder: Path, prefix: Any, flags: Any, changes: Any, terminal: bool) -> Ended:
    user = Visitor(folder)
    user.prefix, user.flags, user.changes = list(prefix), list(flags), dict(changes)
    return user.call("work", script="bare.py", terminal=terminal)


def _run(command: list[str], environ: dict[str, str], folder: Path, *, terminal: bool) -> Ended:
    ours, theirs = pty.openpty() if terminal else os.pipe()
    with subprocess.Popen(
        command, env=environ, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs
    ) as process:
        os.close(theirs)
        killer = threading.Timer(HANGS_SECONDS, process.kill)
        killer.start()
        shown = read_terminal(ours)
        assert process.stdout is not None
        printed = process.stdout.read().decode(errors="surrogateescape")
    assert killer.is_alive(), f"{command} hangs"
    killer.cancel()
    return Ended(process.returncode, printed, shown)
