"""What is written about the project is true of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli_analytics import Analytics, __version__, disclosure, environment, manifest
from cli_analytics.destination import KEYS
from cli_analytics.manifest import Policy, Tool
from cli_analytics.user_commands import group

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DEMO = ROOT / "cli_analytics" / "demo" / "analytics.toml"


DEPLOYING = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")


def block(language: str, text: str = README) -> str:
    found = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found.group(1)


def test_the_example_in_the_readme_runs_and_records(tmp_path: Path) -> None:
    (tmp_path / "mytool.py").write_text(block("python") + "\ncli()\n", encoding="utf-8")
    (tmp_path / "analytics.toml").write_text(block("toml"), encoding="utf-8")
    environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "SEND_ANONYMOUS_USAGE_INFO": "true"}
    command = [sys.executable, "mytool.py", "--format", "json"]
    shown = subprocess.run(
        command, env={**environ, "CLI_ANALYTICS_DEBUG": "1"}, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert shown.stdout == "exported as json\n"
    assert '"event":"report_exported"' in shown.stderr
    assert '"command":"mytool"' in shown.stderr


def test_the_readme_is_short_and_names_the_two_commands() -> None:
    assert README.count("\n") <= 120
    assert "`make demo`" in README
    assert "`make test`" in README


def test_the_manifest_of_the_readme_is_valid() -> None:
    assert manifest.parse(block("toml").encode()).tool.name == "mytool"


@pytest.mark.parametrize("name", [environment.SEND, environment.DO_NOT_TRACK, environment.DEBUG])
def test_every_variable_for_users_is_in_the_page(name: str) -> None:
    assert name in disclosure.page(manifest.load(str(DEMO)))


def test_every_command_for_users_is_in_the_readme_or_the_page() -> None:
    page = disclosure.page(manifest.load(str(DEMO)))
    for name in group(None).commands:  # type: ignore[arg-type]  # no host is needed to list them
        assert f"analytics {name}" in README + page or name == "on"


def test_every_key_of_the_manifest_is_in_its_page() -> None:
    page = (ROOT / "docs" / "manifest.md").read_text(encoding="utf-8")
    keys = [f"tool.{key}" for key in Tool._fields] + [f"policy.{key}" for key in Policy._fields]
    required = {key for sink in KEYS.values() for key in sink.required}
    keys += [f"sinks[].{key}" for key in sorted({"type", "endpoint", "region", *required})]
    assert [key for key in keys if f"`{key}`" not in page] == []


def test_the_page_of_the_demo_host_is_up_to_date() -> None:
    page = (ROOT / "docs" / "ANALYTICS.md").read_text(encoding="utf-8")
    assert page == disclosure.page(manifest.load(str(DEMO)))


def test_every_variable_for_deployers_is_in_their_page() -> None:
    names = (getattr(environment, name) for name in ("SEND", "DO_NOT_TRACK", "DEBUG", "ENDPOINT", "HANDOVER"))
    assert [name for name in names if f"`{name}`" not in DEPLOYING] == []


def test_a_prepared_host_works_without_the_package(tmp_path: Path) -> None:
    """With the stand-in that the page offers, which has whatever Analytics has."""
    stand_in: dict[str, Any] = {}
    blocked = "import sys; sys.modules['cli_analytics'] = None\n"
    exec(block("python", DEPLOYING).replace("from cli_analytics import", "raise ImportError; from x import"), stand_in)
    public = {name for name, value in vars(Analytics).items() if not name.startswith("_") and callable(value)}
    assert public - set(vars(stand_in["Analytics"])) <= {"attempt", "facts", "say", "print_line"}, "the door's own"
    code = block("python").replace("from cli_analytics import Analytics\n", block("python", DEPLOYING))
    (tmp_path / "mytool.py").write_text(blocked + code + "\ncli()\n", encoding="utf-8")
    done = subprocess.run([sys.executable, "mytool.py"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "exported as csv\n", "")


def test_the_version_is_a_release_or_comes_before_one() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+(rc\d+)?", __version__)
