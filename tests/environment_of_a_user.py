"""What a user's process has around it: a home of its own, an endpoint that is closed, and nothing of the test run's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest

from cli_analytics import Analytics, manifest, storage
from cli_analytics.spool import Spool
from cli_analytics.storage import Storage

HOSTS = Path(__file__).with_name("hosts")
ENDPOINT = "http://127.0.0.1:9"  # the discard port: nobody listens
BREAKER = "any: 1 {}\n"


class Ended(NamedTuple):
    """How a process ended."""

    stdout: str
    stderr: str
    status: int


class UserOf:
    """A user of the host `tool`, who knows that it records, and whose sender waits for its next attempt."""

    def __init__(self, home: Path, tool: str = "tool", **variables: str) -> None:
        self.home = home
        self.environ = {
            "HOME": str(home),
            "PATH": os.defpath,
            "LC_ALL": "C.UTF-8",
            "XDG_CONFIG_DIRS": str(home / "etc"),
            "CLI_ANALYTICS_ENDPOINT": ENDPOINT,
            "SEND_ANONYMOUS_USAGE_INFO": "true",
            **variables,
        }
        home.mkdir(parents=True, exist_ok=True)
        self.where: Storage = storage.locate(tool, self.environ)
        storage.replace(self.where.breaker, BREAKER.format(int(time.time()) + 3600).encode())

    def start(self, *command: str, **variables: str) -> subprocess.Popen[str]:
        """A process of the user's that runs Python with these arguments."""
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=self.home,
            env={**self.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str, **variables: str) -> Ended:
        with self.start(*command, **variables) as process:
            stdout, stderr = process.communicate(timeout=60)
        return Ended(stdout, stderr, process.returncode)

    def hear(self, *command: str, **variables: str) -> None:
        """Run once, so that a container's one line on the deployer's yes has been said; keep no event of it."""
        assert self.run(*command, **variables).stderr.count("\n") <= 1
        Spool(self.where.spool).clear()

    def waiting(self) -> list[bytes]:
        """The events in the spool, oldest first."""
        return [path.read_bytes() for path in sorted(Path(self.where.spool, "new").glob("*"))]

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(content) for content in self.waiting()]

    def has_recorded(self, *expected: dict[str, Any]) -> None:
        """Assert that these are the properties of the events in the spool, but for their order and how long it took.

        Events of the same millisecond wait in any order.
        """
        found = [event["properties"] for event in self.events()]
        assert all(0 <= properties.pop("duration_ms") < 60_000 for properties in found)
        assert sorted(map(str, found)) == sorted(map(str, expected))

    def commands(self) -> list[str]:
        """The commands that were recorded, in alphabetical order."""
        return sorted(event["properties"]["command"] for event in self.events())

    def files(self) -> list[str]:
        """What lies in the home, but for what this class has put there."""
        found = {str(path.relative_to(self.home)) for path in self.home.rglob("*") if path.is_file()}
        return sorted(found - {os.path.relpath(self.where.breaker, self.home)})


def host(name: str) -> str:
    return str(HOSTS / f"{name}.py")


def declared() -> manifest.Manifest:
    """The manifest of the hosts in tests/hosts."""
    return manifest.load(str(HOSTS / "analytics.toml"))


def run_of(command: str, outcome: str = "ok", exit_code: int = 0, exception: str = "", *options: str) -> dict[str, Any]:
    """The properties of a command_run, but for how long it took, in the order in which they are written."""
    found: dict[str, Any] = {"command": command, "outcome": outcome, "exit_code": exit_code, "options": list(options)}
    return {**found, "exception": exception} if exception else found


def instrument(user: UserOf, **settings: Any) -> Analytics:
    """The one object of a host in this process, which records although it is a test run."""
    return Analytics(
        "tool",
        version="1.2.3",
        manifest=HOSTS / "analytics.toml",
        **{"environ": user.environ, "record_in_tests": True, **settings},
    )


def call(cli: click.Command, *arguments: str, **settings: Any) -> int:
    """Run a command as the tool; return the status."""
    with pytest.raises(SystemExit) as ended:
        cli.main(list(arguments), "tool", **settings)
    return ended.value.code if isinstance(ended.value.code, int) else 1
