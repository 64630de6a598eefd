"""What the tests of the client share: a user with a home, a host, and a terminal."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from watch import command_line, processes_at

from cli_analytics import environment, storage
from cli_analytics.storage import Storage

TOOL = "mytool"
CLOSED = "http://127.0.0.1:9"  # nobody listens on the discard port

MANIFEST = """\
schema = 1

[tool]
name = "mytool"
controller = "Example Foundation"
contact = "privacy@example.org"
page = "https://example.org/analytics"

[policy]
opt_out_env = ["MYTOOL_NO_ANALYTICS"]

[[sinks]]
type = "segment"
endpoint = "http://127.0.0.1:9"
write_key = "key-of-mytool"

[events.report_exported]
why = "Which formats deserve work"
[events.report_exported.properties]
format = { one_of = ["csv", "json"] }
rows = { bucket = [10, 100] }
"""

# A host of our own kind, started as a user starts one. HOST_* are for the tests that vary how it is instrumented.
HOST = """\
import os
import sys

import click

from cli_analytics import Analytics

analytics = Analytics(
    "mytool",
    version=os.environ.get("HOST_VERSION", "1.2.3"),
    manifest=os.path.join(os.path.dirname(os.path.abspath(__file__)), "analytics.toml"),
    host_setting=False if "HOST_SAYS_NO" in os.environ else None,
)


@click.group()
def cli():
    pass


@cli.command()
def hello():
    click.echo("hello")


@cli.command()
@click.argument("rows", type=int)
def export(rows):
    analytics.record("report_exported", format="csv", rows=rows)


@cli.command()
def flush():
    print(analytics.flush(timeout=0.3))


@cli.command()
def wait():
    click.echo("waiting")
    sys.stdin.readline()


analytics.attach(cli)
if __name__ == "__main__":
    cli(prog_name="mytool")
"""


class Run(NamedTuple):
    """How a process ended, what it printed, and what of that came over the terminal."""

    status: int
    stdout: str
    terminal: str


class User:
    """Somebody with a home of their own and the tool `mytool`; `environ` has nothing of whoever runs the tests."""

    def __init__(self, folder: Path, endpoint: str = CLOSED) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.site = folder / "site"
        self.host = folder / "tool" / "host.py"
        self.manifest = folder / "tool" / "analytics.toml"
        self.environ = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.home),
            "XDG_CONFIG_DIRS": str(self.site),
            "TERM": "xterm",
            environment.ENDPOINT: endpoint,
        }
        for path in (self.home, self.site, self.host.parent):
            path.mkdir(parents=True, exist_ok=True)
        if not self.host.exists():
            self.host.write_text(HOST, encoding="utf-8")
            self.manifest.write_text(MANIFEST, encoding="utf-8")

    @property
    def where(self) -> Storage:
        return storage.locate(TOOL, self.environ)

    @property
    def command(self) -> list[str]:
        return [sys.executable, str(self.host)]

    def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run the tool without a terminal."""
        return subprocess.run(
            [*self.command, *arguments],
            env={**self.environ, **environ},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def on_terminal(self, *arguments: str, **environ: str) -> Run:
        """Run the tool with its standard error on a terminal."""
        return on_terminal([*self.command, *arguments], {**self.environ, **environ}, self.folder)

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start the tool and let it run."""
        return subprocess.Popen(
            [*self.command, *arguments], env=self.environ, cwd=self.folder, text=True, **{"stderr": -3, **options}
        )

    def inform(self) -> None:
        """Have the notice shown, as it is: by the first run on a terminal."""
        assert "Nothing was recorded" in self.on_terminal("hello").terminal

    def settle(self) -> None:
        """Live here, so that a yes by variable is kept here, and not in the memory of the container we may be in."""
        os.makedirs(self.where.state, exist_ok=True)

    def copy(self, folder: Path) -> User:
        """The same user, in a home of the same content."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return User(folder, self.environ[environment.ENDPOINT])

    def waiting(self) -> list[Path]:
        """What is not yet delivered and not being handed out, in order: one of its files for each event."""
        folder = Path(self.where.spool)
        found = {path.name: path for place in ("claimed/*/*.json", "new/*.json") for path in folder.glob(place)}
        return [path for _, path in sorted(found.items())]

    def appended(self) -> list[Path]:
        """What no sender has had in its hands yet."""
        return sorted(Path(self.where.spool, "new").glob("*.json"))

    def claimed(self) -> list[Path]:
        """What a sender has in its hands, or had when it ended: each file, of which an event has one for each sink."""
        return sorted(Path(self.where.spool, "claimed").glob("**/*.json"))

    def kept(self) -> list[Path]:
        """What was recorded and is not yet delivered, whoever has it, in order: one of its files for each event."""
        found = {path.name: path for path in (*self.claimed(), *self.appended())}
        return [path for _, path in sorted(found.items())]

    def message_ids(self) -> list[str]:
        return [json.loads(path.read_bytes())["messageId"] for path in self.waiting()]

    def senders(self) -> list[int]:
        """The senders of this user's that are alive."""
        return [pid for pid in processes_at(self.home) if "cli_analytics.drain" in command_line(pid, 3)]

    def end(self) -> None:
        """End the senders of this user's, and nobody else's."""
        for pid in processes_at(self.home):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if os.path.exists(self.where.sender_lock):
            os.utime(self.where.sender_lock, (0, 0))  # so that none seems alive either


@contextmanager
def user_at(folder: Path, endpoint: str = CLOSED) -> Iterator[User]:
    """A user whose senders don't outlive the block."""
    user = User(folder, endpoint)
    try:
        yield user
    finally:
        user.end()


def on_terminal(command: list[str], environ: Mapping[str, str], folder: Path) -> Run:
    """Run a command whose standard error, and nothing else, is a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command, env=environ, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs
    ) as process:
        os.close(theirs)
        shown = read_terminal(ours)
        assert process.stdout is not None
        printed = process.stdout.read().decode()
    return Run(process.returncode, printed, shown)


def read_terminal(descriptor: int) -> str:
    """All that comes over a terminal until the last writer is gone; closes it."""
    chunks = []
    try:
        while chunk := os.read(descriptor, 4096):
            chunks.append(chunk)
    except OSError:
        pass  # Linux says so when the last writer is gone
    finally:
        os.close(descriptor)
    return b"".join(chunks).decode().replace("\r", "")
