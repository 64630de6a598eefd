"""What README and docs name exists and works as printed, and what a user can set or type is named there."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from recorder import recorder
from support import User, user_at
from watch import until

import cli_analytics
from cli_analytics import cli, disclosure, manifest
from cli_analytics.sender import PATH_VARIABLE
from cli_analytics.user_commands import group

pytestmark = pytest.mark.slow

PACKAGE = Path(cli_analytics.__file__).parent
ROOT = Path(__file__).parent.parent
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]}
WORDS = "\n".join(TEXTS.values())


def variables() -> set[str]:
    """The variables of ours that the package names anywhere, but for the one between a host and its sender."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= set(re.findall(r"^(?:CLI_ANALYTICS_[A-Z]+|SEND_[A-Z_]+|DO_NOT_TRACK)$", node.value))
    return found - {PATH_VARIABLE}


def test_the_variables_are_found() -> None:
    assert {"SEND_ANONYMOUS_USAGE_INFO", "DO_NOT_TRACK", "CLI_ANALYTICS_DEBUG", "CLI_ANALYTICS_ENDPOINT"} <= variables()


@pytest.mark.parametrize("name", sorted(variables()))
def test_every_variable_is_documented(name: str) -> None:
    assert f"{name}" in WORDS


def code() -> str:
    """All that stands between backticks, and in blocks of shell."""
    blocks = re.findall(r"```sh\n(.*?)```", WORDS, re.DOTALL)
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", WORDS)])


def test_every_command_that_is_named_exists() -> None:
    users, ours = group(None).commands, cli.main.commands  # type: ignore[arg-type]  # no host is needed to list them
    named = set(re.findall(r"(?:mytool|jotter) analytics (\w+)", code()))
    assert {"status", "preview", "log", "off"} <= named <= users.keys()
    named = set(re.findall(r"cli-analytics (\w+)", code()))
    assert {"check", "docs", "collect", "report"} <= named <= ours.keys()
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"`make (\w+)`", WORDS)) <= targets


def test_every_option_that_is_named_exists() -> None:
    for line in re.findall(r"cli-analytics \w+ .*", code()):
        words = line.partition("#")[0].split()
        command = cli.main.commands[words[1]]
        known = {name for option in command.params if isinstance(option, click.Option) for name in option.opts}
        assert {word for word in words if word.startswith("--")} <= known, line


def lines_to_type() -> Iterator[str]:
    """What a user of the tool is told to type, by the README and by its page."""
    page = disclosure.page(manifest.load(str(PACKAGE / "demo" / "analytics.toml")))
    page = page.replace("jotter", "mytool").replace("JOTTER", "MYTOOL")
    for text in (TEXTS["README.md"].partition("## If you maintain")[0], page):
        for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
            yield from (line.partition("#")[0].replace("…", "hello").strip() for line in block.splitlines())


@pytest.mark.parametrize("line", sorted({*lines_to_type()}))
def test_what_a_user_is_told_to_type_works_before_anything_else(tmp_path: Path, line: str) -> None:
    tool = tmp_path / "bin" / "mytool"
    with recorder() as server, user_at(tmp_path, server.url) as user:
        tool.parent.mkdir()
        tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{user.host}" "$@"\n', encoding="utf-8")
        tool.chmod(0o755)
        done = shell(user, line)
        assert done.returncode == 0
        is_no = "analytics off" in line or line.startswith("export ")
        assert (done.stderr == "") is ("DEBUG" not in line)
        ended = shell(user, f"{line}; SEND_ANONYMOUS_USAGE_INFO=${{SEND_ANONYMOUS_USAGE_INFO-1}} mytool hello")
        assert ended.stdout.endswith("hello\n")
        assert len(server.wait(1, seconds=0 if is_no else 20)) == int(not is_no)
        until(lambda: not user.kept(), seconds=0 if is_no else 20)


def shell(user: User, line: str) -> subprocess.CompletedProcess[str]:
    environ = {**user.environ, "PATH": f"{user.folder / 'bin'}:{user.environ['PATH']}"}
    return subprocess.run(["sh", "-c", line], env=environ, cwd=user.folder, capture_output=True, text=True, timeout=60)
