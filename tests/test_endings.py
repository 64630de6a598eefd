"""Which options were given, how it ended, and that nothing of the command line gets into an event."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from environment_of_a_user import UserOf, call, instrument
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli_analytics.integrations import click as integration


@pytest.fixture
def user(tmp_path: Path) -> UserOf:
    return UserOf(tmp_path)


def tree(user: UserOf) -> click.Group:
    """A tool of the user's with options of every kind."""

    @click.group()
    @click.option("--debug/--no-debug", "-d/-D")
    def cli(debug: bool) -> None:
        pass

    @cli.command()
    @click.option("-v", "--verbose", count=True)
    @click.option("--tag", "-t", "--a-tag", multiple=True)
    @click.option("--level", envvar="TOOL_LEVEL", default="low")
    @click.option("--color/--no-color", default=True)
    @click.option("--on/--off", "switch", default=None)
    @click.option("-x", is_flag=True)
    @click.option("--csv", "form", flag_value="csv", default=True)
    @click.option("--json", "form", flag_value="json")
    @click.option("--as", "shape", is_flag=False, flag_value="table", default="")
    @click.option("--silent", is_flag=True, expose_value=False)
    @click.option("--hidden", hidden=True)
    @click.option("--size", type=int)
    @click.argument("paths", nargs=-1)
    def work(**_values: Any) -> None:
        pass

    instrument(user).attach(cli)
    return cli


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ("work", []),
        ("work secret", []),
        ("work -vvv", ["--verbose"]),
        ("work --tag secret -t secret", ["--a-tag"]),
        ("work --level secret", ["--level"]),
        ("work --color", ["--color"]),
        ("work --no-color", ["--no-color"]),
        ("work --off", ["--off"]),
        ("work -x --hidden secret", ["--hidden", "-x"]),
        ("work --csv", ["--csv"]),
        ("work --json", ["--json"]),
        ("work --as", ["--as"]),
        ("work --as=secret", ["--as"]),
        ("work --silent", ["--silent"]),
        ("work -xtsecret", ["--a-tag", "-x"]),
        ("-d work -x", ["--debug", "-x"]),
        ("-D work", ["--no-debug"]),
        ("work --size secret -x", ["--size"]),
        ("work --secret", []),
        ("work -- --color", []),
    ],
)
def test_the_options_are_those_given_on_the_command_line(user: UserOf, arguments: str, options: list[str]) -> None:
    call(tree(user), *arguments.split(), default_map={"work": {"x": True}})
    (event,) = user.events()
    assert event["properties"]["options"] == options


def test_options_from_the_environment_are_not_reported(user: UserOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOOL_LEVEL", "high")
    monkeypatch.setenv("TOOL_WORK_SIZE", "3")
    call(tree(user), "work", auto_envvar_prefix="TOOL")
    (event,) = user.events()
    assert event["properties"]["options"] == []


class Gone(click.ClickException):
    exit_code = 300


@pytest.mark.parametrize(
    ("error", "outcome", "exit_code"),
    [
        (None, "ok", 0),
        (SystemExit(), "ok", 0),
        (SystemExit(True), "error", 1),
        (SystemExit(-1), "error", 255),
        (SystemExit("secret"), "error", 1),
        (SystemExit(512), "ok", 0),
        (click.exceptions.Exit(7), "error", 7),
        (click.Abort(), "aborted", 1),
        (EOFError(), "aborted", 1),
        (KeyboardInterrupt(), "aborted", 1),
        (Gone("secret"), "error", 300 & 0xFF),
        (click.UsageError("secret"), "usage_error", 2),
        (OSError(errno.EPIPE, "secret"), "broken_pipe", 1),
        (OSError(errno.ENOENT, "secret"), "error", 1),
        (GeneratorExit(), "error", 1),
    ],
)
def test_how_it_ended_is_what_click_makes_of_it(error: BaseException | None, outcome: str, exit_code: int) -> None:
    ended = integration.judge(error)
    assert ended[:2] == (outcome, exit_code)
    assert ended[2] in ("", type(error).__name__)


SECRETS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).map(
    lambda text: f"5ec2e7{text}5ec2e7"
)
WORDS = st.one_of(
    st.sampled_from(
        ["work", "db", "add", "--level", "--no-color", "-x", "--", "--level=", "-t", "--size", "analytics"]
    ),
    SECRETS,
    SECRETS.map("--level={}".format),
    SECRETS.map("--{}".format),
    SECRETS.map("-x{}".format),
    SECRETS.map("-t{}".format),
)


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(WORDS, max_size=6))
def test_nothing_of_the_command_line_gets_into_the_spool(user: UserOf, arguments: list[str]) -> None:
    call(tree(user), *arguments)
    for content in spooled(user):
        assert b"5ec2e7" not in content, arguments


def spooled(user: UserOf) -> Iterator[bytes]:
    """Every name and every byte in the spool, which is then empty."""
    for path in Path(user.where.spool).rglob("*"):
        yield path.name.encode()
        if path.is_file():
            yield path.read_bytes()
            path.unlink()
