"""Promise 2, never breaks the host: the same output and status with and without us, however it ends, under every fault.

The faults are in homes.py and state_files.py.
"""

from __future__ import annotations

import functools
import json
import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest
from environment_of_a_user import Ended, UserOf, declared, host, run_of
from homes import SURROUNDINGS, Fault, can
from state_files import STATE
from visitor import People, Visitor, notice_text

from cli_analytics import gate, storage

pytestmark = pytest.mark.slow
HOWS = ("bare", "above", "below", "attach")
HOST = host("exits")
UNKNOWN = "NoSuchCommand" if hasattr(click.exceptions, "NoSuchCommand") else "UsageError"  # since click 8.4


class Case(NamedTuple):
    """A command line, and the outcome, status, exception and options that are to be recorded (None: nothing)."""

    arguments: str
    outcome: str | None = "ok"
    exit_code: int = 0
    exception: str = ""
    options: tuple[str, ...] = ()
    command: str = ""  # where it is not the first argument
    by_the_tool: bool = False  # a function never hears that the tool itself was called wrongly
    seen_by: tuple[str, ...] = HOWS[1:]


CALLBACKS = [
    Case("returns-value"),
    Case("returns-none -l secret", options=("--level",)),
    Case("exit-0"),
    Case("exit-3", "error", 3),
    Case("exit-message", "error", 1),
    Case("exit-256"),
    Case("ctx-exit-0 --level=secret", options=("--level",)),
    Case("ctx-exit-5", "error", 5),
    Case("abort", "aborted", 1, "Abort"),
    Case("usage-error", "usage_error", 2, "UsageError"),
    Case("bad-parameter", "usage_error", 2, "BadParameter"),
    Case("click-exception --level secret", "error", 1, "ClickException", ("--level",)),
    Case("file-error", "error", 1, "FileError"),
    Case("own-exit-code", "error", 42, "PickyError"),
    Case("interrupt", "aborted", 1, "KeyboardInterrupt"),
    Case("value-error", "error", 1, "ValueError"),
    Case("host-error", "error", 1, "HostError"),
    Case("secret-error", "error", 1, "SecretError"),
    Case("cause", "error", 1, "HostError"),
    Case("context", "error", 1, "SecretError"),
    Case("eof", "aborted", 1, "EOFError"),
    Case("broken-pipe", "broken_pipe", 1, "BrokenPipeError"),
    Case("os-error", "error", 1, "FileNotFoundError"),
    Case("assertion", "error", 1, "AssertionError"),
    Case("closer", "error", 1, "ValueError", seen_by=("above", "attach")),
    Case("closer-after-error", "error", 1, "ValueError", seen_by=("above", "attach")),
    Case("resource", "error", 1, "OSError", seen_by=("above", "attach")),
    Case("os-exit", None),
    Case("recursion", "error", 1, "RecursionError"),
]
PARSED = [
    Case("parses 3 --count 4 --no-color", options=("--count", "--no-color")),
    Case("parses", "usage_error", 2, "MissingParameter"),
    Case("parses 3 --count secret", "usage_error", 2, "BadParameter", ("--count",)),
    Case("parses 3 --secret", "usage_error", 2, "NoSuchOption"),
    Case("parses 3 --count", "usage_error", 2, "BadOptionUsage"),
    Case("parses 3 secret", "usage_error", 2, "UsageError"),
    Case("parses 3 --check raise", "error", 1, "LookupError", ("--check",)),
    Case("parses 3 --check exit", "error", 9, "", ("--check",)),
    Case("parses 0", "error", 1, "ZeroDivisionError"),
]
GROUPS = [
    Case("-v returns-none -l secret", command="returns-none", options=("--level", "--verbose")),
    Case("-v db value-error", "error", 1, "ValueError", ("--verbose",), command="db value-error"),
    Case("db exit-3 --level secret", "error", 3, options=("--level",), command="db exit-3"),
    Case("secret", "usage_error", 2, UNKNOWN, command="<unknown>", by_the_tool=True),
    Case("-v secret --level", "usage_error", 2, UNKNOWN, ("--verbose",), "<unknown>", by_the_tool=True),
    Case("db secret", "usage_error", 2, UNKNOWN, command="db <unknown>"),
    Case("maybe"),
    Case("maybe sub", "error", 1, "ValueError", command="maybe sub"),
    Case("maybe secret", "usage_error", 2, UNKNOWN, command="maybe <unknown>"),
    Case("--secret", "usage_error", 2, "NoSuchOption", command="tool", by_the_tool=True),
    Case("-v", "usage_error", 2, "UsageError", ("--verbose",), command="tool", by_the_tool=True),
    Case("db returns-none --help", None),
]


def cases() -> list[Any]:
    shapes = {"group": CALLBACKS + PARSED + GROUPS, "single": CALLBACKS + PARSED, "caller": CALLBACKS}
    return [pytest.param(shape, case, id=f"{shape}: {case.arguments}") for shape in shapes for case in shapes[shape]]


def expected(case: Case, shape: str, how: str) -> list[dict[str, Any]]:
    by_the_tool = case.by_the_tool or (shape == "single" and case in PARSED[1:])
    if case.outcome is None or (how == "below" and by_the_tool):
        return []
    command = "tool" if shape == "single" else case.command or case.arguments.split()[0]
    return [run_of(command, case.outcome, case.exit_code, case.exception, *case.options)]


@functools.cache
def heard() -> bytes:
    """The stamp of a user who was told in the one line that a container shows where a variable says yes."""
    with tempfile.TemporaryDirectory() as home:
        user = UserOf(Path(home), HOW="attach", SHAPE="group")
        user.hear(HOST, "returns-none")
        return Path(user.where.stamp).read_bytes()


def in_each_way(folder: Path, shape: str, run: Callable[[UserOf], Ended]) -> dict[str, tuple[UserOf, Ended]]:
    users = {how: UserOf(folder / how, HOW=how, SHAPE=shape) for how in HOWS}
    for user in users.values():
        storage.replace(user.where.stamp, heard())
    with ThreadPoolExecutor(len(HOWS)) as pool:
        return dict(zip(HOWS, zip(users.values(), pool.map(run, users.values()))))


def comparable(ended: Ended) -> Ended:
    """Without the two known differences, both in tracebacks.

    A function that we decorated is one frame deeper, so it recurses one time less often. Before Python 3.11 our frame
    can't be taken out where a closer of the outermost context fails.
    """
    known = [r"Previous line repeated \d+ more times"]
    if sys.version_info < (3, 11):
        known.append(r'  File ".*integrations.click.py", line \d+, in __exit__\n    suppressed = super.*\n')
    return ended._replace(stderr=re.sub("|".join(known), "", ended.stderr))


def assert_passes_the_gate(user: UserOf) -> None:
    for event in user.events():
        checked = gate.check(event, declared().events)
        assert checked.event is not None
        assert not checked.problems


@pytest.mark.parametrize(("shape", "case"), cases())
def test_an_exit_path_is_the_same_with_us_and_makes_one_event(tmp_path: Path, shape: str, case: Case) -> None:
    ends = in_each_way(tmp_path, shape, lambda user: user.run(HOST, *case.arguments.split()))
    _, bare = ends.pop("bare")
    for how, (user, ended) in ends.items():
        assert comparable(ended) == comparable(bare), how
        if how in case.seen_by:
            user.has_recorded(*expected(case, shape, how))
        assert_passes_the_gate(user)


@pytest.mark.parametrize(
    ("number", "event"),
    [
        (signal.SIGINT, run_of("wait", "aborted", 1, "KeyboardInterrupt")),
        (signal.SIGTERM, None),  # the process is gone before anything of it could run
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_a_signal_ends_it_as_it_would_without_us(
    tmp_path: Path, number: signal.Signals, event: dict[str, Any] | None
) -> None:
    def run(user: UserOf) -> Ended:
        with user.start(HOST, "wait") as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "wait None\n"
            assert process.stdout.readline() == "ready\n"
            process.send_signal(number)
            return Ended(*process.communicate(timeout=60), process.returncode)

    ends = in_each_way(tmp_path, "group", run)
    _, bare = ends.pop("bare")
    for how, (user, ended) in ends.items():
        assert ended == bare, how
        user.has_recorded(*([event] if event else []))


def test_a_reader_that_had_enough_ends_it_as_it_would_without_us(tmp_path: Path) -> None:
    def run(user: UserOf) -> Ended:
        with user.start(HOST, "talk") as process:
            assert process.stdout is not None
            assert process.stderr is not None
            first = process.stdout.readline()
            process.stdout.close()
            return Ended(first, process.stderr.read(), process.wait(60))

    ends = in_each_way(tmp_path, "group", run)
    _, bare = ends.pop("bare")
    for how, (user, ended) in ends.items():
        assert ended == bare, how
        user.has_recorded(run_of("talk", "broken_pipe", 1, "BrokenPipeError"))


FAULTS = {**SURROUNDINGS, **STATE}
ADVICE = "SEND_ANONYMOUS_USAGE_INFO=false"
FIXED_PLACE = ("a folder in place of the log", "the spool unreadable", "the spool's new unreadable")  # can't be deleted


@pytest.fixture(scope="module")
def people() -> Iterator[People]:
    found = People()
    yield found
    found.remove(found.folder)


@pytest.fixture
def befallen(people: People) -> Iterator[Callable[[str, Fault], Visitor]]:
    made: list[Visitor] = []

    def befall(who: str, fault: Fault) -> Visitor:
        if not can(fault.needs):
            pytest.skip(f"needs {fault.needs}")
        made.append(people.copy(who))
        fault.befall(made[-1])
        return made[-1]

    yield befall
    for user in made:
        user.end()
        people.remove(user.folder)


@pytest.mark.parametrize("name", FAULTS)
def test_under_a_fault_of_ours_the_host_is_as_without_us(name: str, befallen: Callable[[str, Fault], Visitor]) -> None:
    fault = FAULTS[name]
    told, stranger = befallen("told", fault), befallen("stranger", fault)
    before = told.events()
    assert told.call("work") == told.bare()
    told.end()
    assert (told.events() != before) is fault.records
    files = stranger.ids()
    ended, text = stranger.call("work", terminal=True), notice_text(told.model)
    assert ended._replace(stderr=ended.stderr.replace(text, "")) == stranger.bare(terminal=True)
    assert ended.stderr.count(text) == fault.shows
    assert (stranger.events(), stranger.ids()) == ([], files), "the first run records nothing"
    assert not (name.startswith("HOME missing") and os.path.exists(f"{stranger.folder}/missing")), "it is not ours"


@pytest.mark.parametrize("name", FAULTS)
def test_under_a_fault_status_and_off_tell_the_truth(name: str, befallen: Callable[[str, Fault], Visitor]) -> None:
    fault = FAULTS[name]
    user = befallen("told", fault)
    for form in ((), ("--json",)) if name.startswith("a name") else (("--json",),):
        status = user.call("analytics", "status", *form)
        assert "Traceback" not in status.stderr
        assert status.status == 0 or not fault.tells
    if fault.tells:
        shown = json.loads(status.stdout)
        assert shown["recording"] is fault.records
        assert shown["reason"]
    off = user.call("analytics", "off")
    assert off.status in (0, 1) or not fault.tells
    assert "Traceback" not in off.stderr
    assert user.says_off() is fault.keeps
    assert fault.keeps or (off.status == 1 and ADVICE in off.stderr)
    kept = (user.events(), user.ids())
    if fault.keeps and name not in FIXED_PLACE and "XDG_STATE_HOME" not in user.changes:
        assert (*kept, os.path.exists(user.files.log)) == ([], [], False)
    if off.status == 1:
        user.call("work")
        assert (user.events(), user.ids()) == kept, "off is off, whatever could not be done"


def test_the_faults_are_all_that_are_promised(record_property: Callable[[str, object], None]) -> None:
    cases = f"{len(FAULTS)} faults × a run, a first run, status and off = {4 * len(FAULTS)} cases"
    record_property("figure", f"{cases}; the host 100 % identical")
    assert len(FAULTS) > 150
