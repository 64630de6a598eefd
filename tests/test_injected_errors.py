"""An error at any line of ours, below the door, changes nothing of what the host does."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Optional

import click
import pytest
from environment_of_a_user import UserOf, instrument

import cli_analytics
from cli_analytics import Analytics

OURS = os.path.dirname(cli_analytics.__file__)
DOOR = os.path.join(OURS, "client.py")
ERRORS = (OSError, UnicodeError, RecursionError, MemoryError, ValueError, KeyError, AttributeError)


class Injection:
    """Raises an error at the `number`-th line of ours that runs below the door."""

    def __init__(self, number: int) -> None:
        self.left = number
        self.error = ERRORS[number % len(ERRORS)]
        self.place = ""

    def __call__(self, frame: FrameType, _event: str, _argument: object) -> Optional[Callable[..., Any]]:
        is_ours = frame.f_code.co_filename.startswith(OURS)
        return self.line if is_ours and self.is_below_the_door(frame) else None

    def line(self, frame: FrameType, event: str, _argument: object) -> Any:
        if event == "line" and not self.place:
            if self.left == 0:
                self.place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
                raise self.error("injected")
            self.left -= 1
        return self.line

    @staticmethod
    def is_below_the_door(frame: Optional[FrameType]) -> bool:
        frame = frame and frame.f_back
        while frame is not None:
            if frame.f_code.co_filename == DOOR and frame.f_code.co_name == "_pass":
                return True
            frame = frame.f_back
        return False


def tree(analytics: Optional[Analytics]) -> click.Group:
    @click.group()
    @click.option("--debug/--no-debug")
    def cli(debug: bool) -> None:
        pass

    @cli.command()
    @click.option("--level", type=int)
    def works(level: int) -> str:
        click.echo("done")
        if analytics is not None:
            analytics.record("report_exported", format="csv", rows=level)
        return "ignored"

    @cli.command()
    def fails() -> None:
        click.echo("failing", err=True)
        raise ValueError("secret")

    @cli.command()
    @click.pass_context
    def exits(ctx: click.Context) -> None:
        ctx.exit(3)

    if analytics is not None:
        analytics.attach(cli)
    return cli


def outcome(
    analytics: Optional[Analytics], arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> tuple[Any, ...]:
    """How a call ends and what it prints."""
    ended: BaseException
    try:
        tree(analytics).main(arguments, "tool")
        raise AssertionError("click ends with an exit")
    except BaseException as error:
        ended = error
    return (
        type(ended),
        ended.args,
        getattr(ended, "code", None),
        ended.__cause__,
        ended.__context__,
        capsys.readouterr(),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", ["--debug works --level 3", "fails", "exits", "works --unknown", "unknown", "--help"]
)
def test_an_error_at_any_line_of_ours_changes_nothing(
    tmp_path: Path, arguments: str, capsys: pytest.CaptureFixture[str], record_property: Callable[[str, object], None]
) -> None:
    words, step = arguments.split(), 1 if arguments.startswith("--debug") else 3
    number, injected = 0, True
    while injected:
        user = UserOf(tmp_path / str(number))
        analytics = instrument(user)
        analytics.record("feature_used")  # not a first run, which in a container says a line
        capsys.readouterr()
        injection = Injection(number)
        bare = outcome(None, words, capsys)
        with_its_group = bare if "--help" not in words else None
        before = sys.gettrace()
        sys.settrace(injection)
        try:
            ended = outcome(analytics, words, capsys)
        finally:
            sys.settrace(before)
        if with_its_group is not None:
            assert ended == bare, f"{injection.error.__name__} at {injection.place}"
        else:
            assert ended[:5] == bare[:5], f"{injection.error.__name__} at {injection.place}"
        injected = bool(injection.place)
        number += step
    assert number > 30, "nothing of ours was run"
    record_property("figure", f"{arguments!r}: {number // step} times an error at a line of ours, host identical")
