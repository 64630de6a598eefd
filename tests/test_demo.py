"""The demo, as a new user runs it."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.version_info < (3, 10), reason="the collector asks for Python 3.10"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def output(folder: Path) -> str:
    """What the demo prints in CI, where nothing would be recorded if it took over its surroundings."""
    environ = {**os.environ, "HOME": str(folder / "real-home"), "CI": "true", "SEND_ANONYMOUS_USAGE_INFO": "false"}
    command = [sys.executable, "-m", "cli_analytics", "demo", "--out", str(folder / "out")]
    done = subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_it_shows_the_notice_once(output: str) -> None:
    assert output.count("Nothing was recorded in this run.") == 1


def test_it_shows_seven_events_and_what_the_user_typed_is_in_none(output: str) -> None:
    arrived = output.split("The events arrive")[1].split("The report")[0]
    assert arrived.count("command_run") == 5
    assert arrived.count("feature_used") == 1
    assert arrived.count("notes_exported") == 1
    for typed in ("milk", "Ada", "fromat", "empty.json"):
        assert typed not in arrived


def test_it_makes_the_report(output: str, folder: Path) -> None:
    with (folder / "out" / "report" / "commands.csv").open(encoding="utf-8") as file:
        rows = {row["command"]: row for row in csv.DictReader(file)}
    assert {name: (row["runs"], row["installations"]) for name, row in rows.items()} == {
        "add": ("1", "1"),
        "export": ("3", "1"),
        "list": ("1", "1"),
    }
    assert rows["export"]["error_rate"] == "0.6667"


def test_it_leaves_nothing_running_and_touches_no_real_home(output: str, folder: Path) -> None:
    assert not (folder / "real-home").exists()
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(folder) not in running
    assert "cli_analytics.demo" not in running
