"""Host tests: the tests of a little host, which a pytest of their own runs with the plugin for hosts."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import NamedTuple

from support import User

IMPORTS = """\
import os, subprocess, sys, threading, unittest
import pytest
from click.testing import CliRunner
from cli_analytics import Analytics
from host import analytics, cli

def start(env=None):
    command = [sys.executable, "host.py", "export", "7"]
    return subprocess.run(command, env=env, check=True, capture_output=True).returncode
"""


class Went(NamedTuple):
    """What a pytest said: of each test how it went (`PASSED`, `FAILED`, `ERROR`), and all of it."""

    outcomes: dict[str, set[str]]
    output: str


class HostTests:
    """The tests of a host's, run by a user who was told and lets it record."""

    def __init__(self, user: User) -> None:
        self.user = user
        self.folder = user.host.parent

    def run(self, tests: str, *options: str, conftest: str = "", **environ: str) -> Went:
        (self.folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        (self.folder / "conftest.py").write_text(conftest, encoding="utf-8")
        (self.folder / "test_host.py").write_text(IMPORTS + tests, encoding="utf-8")
        quick = ["-p", "no:cacheprovider", "-p", "no:hypothesispytest", "--strict-markers", "-W", "error", "-rA", "-q"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *quick, *options],
            env={**self.user.environ, **environ},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        outcomes: dict[str, set[str]] = {}
        for outcome, name in re.findall(r"^(PASSED|FAILED|ERROR) .*::(\w+)", done.stdout, re.MULTILINE):
            outcomes.setdefault(name, set()).add(outcome)
        return Went(outcomes, done.stdout + done.stderr)

    def pass_(self, tests: str, *options: str, conftest: str = "", **environ: str) -> dict[str, set[str]]:
        """Assert that every test passes, and that there is one."""
        tested = self.run(tests, *options, conftest=conftest, **environ)
        assert tested.outcomes, tested.output
        assert set().union(*tested.outcomes.values()) == {"PASSED"}, tested.output
        return tested.outcomes
