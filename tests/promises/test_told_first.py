"""Promise 3, told first: nothing is recorded and no id exists before a human could have read the notice."""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from recorder import Recorder, recorder
from support import Run, User, on_terminal, read_terminal, user_at
from watch import listing, until

from cli_analytics import consent, demo, storage

NOTICE = "Nothing was recorded in this run."
ARRIVE_SECONDS = 10.0  # the promise
MANIFEST = Path(demo.__file__).with_name("analytics.toml")
has_collector = pytest.mark.skipif(
    not (importlib.util.find_spec("msgspec") and importlib.util.find_spec("uvicorn")),
    reason="the extra for the collector is not installed",
)


@pytest.fixture
def server() -> Iterator[Recorder]:
    with recorder() as running:
        yield running


@pytest.fixture
def user(tmp_path: Path, server: Recorder) -> Iterator[User]:
    with user_at(tmp_path, server.url) as somebody:
        yield somebody


def jotter(user: User, *arguments: str) -> Run:
    return on_terminal([sys.executable, "-m", "cli_analytics.demo.jotter", *arguments], user.environ, user.home)


@contextmanager
def collector(archive: Path) -> Iterator[str]:
    """The address of a collector, a process of its own."""
    command = [sys.executable, "-m", "cli_analytics", "collect", "--port", "0"]
    command += ["--manifest", str(MANIFEST), "--archive", str(archive)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def archived(archive: Path) -> list[dict[str, Any]]:
    lines = [line for path in sorted(archive.rglob("*.gz")) for line in gzip.decompress(path.read_bytes()).splitlines()]
    return [json.loads(line) for line in lines]


@has_collector
def test_the_second_runs_event_arrives_at_the_collector_within_ten_seconds(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    with collector(archive) as address, user_at(tmp_path / "user", address) as user:
        assert NOTICE in jotter(user, "add", "Buy milk").terminal
        where = storage.locate("jotter", user.environ)
        assert [name for name in os.listdir(where.state) if not name.endswith(".lock")] == ["stamp"]
        assert not os.path.exists(where.config)
        assert jotter(user, "list") == (0, "Buy milk\n", "")
        ended = time.monotonic()
        until(lambda: archived(archive), ARRIVE_SECONDS)
        assert time.monotonic() - ended < ARRIVE_SECONDS
        [record] = archived(archive)
        assert (record["event"], record["properties"]["command"]) == ("command_run", "list")
        assert record["anonymousId"] == Path(where.client_id).read_text(encoding="ascii").strip()


def test_the_run_that_shows_the_notice_records_nothing_and_creates_no_id(user: User, server: Recorder) -> None:
    run = user.on_terminal("export", "7")
    assert (run.status, run.terminal.count(NOTICE)) == (0, 1)
    assert not os.path.exists(user.where.config)
    assert not os.path.exists(user.where.spool)
    assert user.senders() == []
    assert server.requests == []


def test_the_second_run_is_silent_and_its_events_arrive(user: User, server: Recorder) -> None:
    user.inform()
    began = time.monotonic()
    assert user.on_terminal("export", "7") == (0, "", "")
    events = server.wait(events=2, seconds=ARRIVE_SECONDS)
    assert time.monotonic() - began < ARRIVE_SECONDS
    assert sorted(event["event"] for event in events) == ["command_run", "report_exported"]


def test_the_notice_says_who_what_where_and_how_to_say_no(user: User, server: Recorder) -> None:
    shown = user.on_terminal("hello").terminal
    for said in (
        "Example Foundation",
        "privacy@example.org",
        "which formats deserve work",
        server.url.replace("http://", "segment at "),
        "365 days",
        "https://example.org/analytics",
        "mytool analytics off",
        "SEND_ANONYMOUS_USAGE_INFO=false",
    ):
        assert said in shown
    assert "\nhello" not in shown, "the host's own output goes where it always went"


def test_without_a_terminal_nobody_is_told_and_nothing_is_recorded(user: User, server: Recorder) -> None:
    before = listing(user.home)
    done = user.run("export", "7")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert listing(user.home) == before
    assert NOTICE in user.on_terminal("hello").terminal
    assert server.requests == []


def test_in_ci_even_a_terminal_shows_no_notice(user: User) -> None:
    assert user.on_terminal("hello", CI="true") == (0, "hello\n", "")


def test_an_explicit_yes_needs_no_notice(user: User, server: Recorder) -> None:
    user.settle()
    done = user.run("hello", SEND_ANONYMOUS_USAGE_INFO="true")
    assert (done.returncode, done.stdout) == (0, "hello\n")
    assert NOTICE not in done.stderr
    assert len(server.wait(events=1)) == 1
    assert NOTICE in user.on_terminal("hello").terminal, "a deployer's yes is nobody's having been told"


def test_twenty_first_runs_at_once_show_one_notice(user: User) -> None:
    terminals, processes = [], []
    for _ in range(20):
        ours, theirs = pty.openpty()
        processes.append(user.start("hello", stdout=subprocess.DEVNULL, stderr=theirs))
        os.close(theirs)
        terminals.append(ours)
    shown = [read_terminal(terminal) for terminal in terminals]
    assert [process.wait(60) for process in processes] == [0] * 20
    assert sum(text.count(NOTICE) for text in shown) == 1
    kept = consent.read_stamp(user.where)
    assert kept is not None
    assert kept.informed


def reword(user: User, old: str, new: str) -> None:
    text = user.manifest.read_text(encoding="utf-8")
    assert old in text
    user.manifest.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            'format = { one_of = ["csv", "json"] }',
            'format = { one_of = ["csv", "json"] }\ncached = { type = "boolean" }',
        ),
        ('["csv", "json"]', '["csv", "json", "html"]'),
        ("[events.report_exported]", '[events.page_opened]\nwhy = "Pages"\n[events.report_exported]'),
        (
            "[[sinks]]",
            '[[sinks]]\ntype = "segment"\nendpoint = "https://other.example.org"\nwrite_key = "k"\n[[sinks]]',
        ),
        ("[policy]", "[policy]\nretention_days = 3650"),
        ("Example Foundation", "Somebody Else"),
    ],
    ids=["a property", "a value", "an event", "a recipient", "the time it is kept", "who is responsible"],
)
def test_the_user_is_told_again_before_more_is_collected(user: User, old: str, new: str) -> None:
    user.inform()
    reword(user, old, new)
    assert user.run("export", "7").stderr == ""
    assert user.kept() == []
    assert NOTICE in user.on_terminal("hello").terminal
    assert user.kept() == []
    assert user.on_terminal("hello").terminal == ""
    until(user.kept)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("schema = 1", "# a comment\nschema = 1"),
        ("[[sinks]]\n", "\n\n[[sinks]]\n"),
        ('write_key = "key', 'write_key = "k'),
    ],
    ids=["a comment", "empty lines", "a key of the recipient"],
)
def test_a_change_that_discloses_nothing_new_is_no_reason_to_tell_again(user: User, old: str, new: str) -> None:
    user.inform()
    reword(user, old, new)
    assert user.on_terminal("hello").terminal == ""
    kept = consent.read_stamp(user.where)
    assert kept is not None
    assert kept.manifest == user.manifest.read_bytes(), "so that the next run needn't parse it"


def printed_commands(text: str) -> dict[str, str]:
    """What the notice offers to type, by its label."""
    lines = [line.split(None, 1) for line in text.splitlines()]
    found = {line[0]: line[1] for line in lines if line and line[0] in ("see", "no")}
    command, _, variable = found["no"].partition("   or: ")
    return {"see": found.get("see", ""), "no": command, "variable": variable}


def typed(user: User, line: str) -> subprocess.CompletedProcess[str]:
    """A line as a user types it into a shell in which `mytool` is the tool."""
    tool = user.folder / "bin" / "mytool"
    tool.parent.mkdir(exist_ok=True)
    tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{user.host}" "$@"\n', encoding="utf-8")
    tool.chmod(0o755)
    environ = {**user.environ, "PATH": f"{tool.parent}:{user.environ['PATH']}"}
    return subprocess.run(["sh", "-c", line], env=environ, cwd=user.folder, capture_output=True, text=True, timeout=60)


def test_the_commands_of_the_notice_work_as_printed(user: User, server: Recorder) -> None:
    offered = printed_commands(user.on_terminal("hello").terminal)
    seen = typed(user, offered["see"])
    assert (seen.returncode, seen.stderr) == (0, "")
    assert '"event": "command_run"' in seen.stdout
    assert typed(user, f"{offered['variable']}; mytool hello").returncode == 0
    assert typed(user, offered["no"]).returncode == 0
    assert typed(user, "mytool hello").returncode == 0
    assert (user.kept(), server.requests) == ([], [])
    assert Path(user.where.choice).read_text(encoding="ascii").startswith("off")


def test_without_a_command_group_the_printed_line_says_no_all_the_same(tmp_path: Path, server: Recorder) -> None:
    with user_at(tmp_path / "a home with 'spaces'", server.url) as user:
        user.host.write_text(user.host.read_text().replace("attach(cli)", "attach(cli, group=None)"))
        offered = printed_commands(user.on_terminal("hello").terminal)
        assert offered["see"] == ""
        done = typed(user, offered["no"])
        assert (done.returncode, done.stderr) == (0, "")
        user.run("hello")
        assert (user.kept(), server.requests) == ([], [])


def test_off_as_the_first_command_shows_no_notice(user: User) -> None:
    assert "Nothing was recorded" not in user.on_terminal("analytics", "off").terminal
    assert user.on_terminal("hello") == (0, "hello\n", "")


def test_completion_shows_no_notice(user: User) -> None:
    shown = user.on_terminal(_MYTOOL_COMPLETE="bash_complete", COMP_WORDS="mytool h", COMP_CWORD="1")
    assert (shown.stdout, shown.terminal) == ("plain,hello\n", "")
    assert not os.path.exists(user.where.state)


def test_opt_in_shows_and_records_nothing_before_the_yes(user: User, server: Recorder) -> None:
    reword(user, "[policy]", '[policy]\ndefault = "off"')
    before = listing(user.home)
    assert user.on_terminal("export", "7") == (0, "", "")
    assert listing(user.home) == before
    assert user.run("analytics", "on").returncode == 0
    assert user.on_terminal("export", "7") == (0, "", "")
    assert len(server.wait(events=2)) == 2


def test_where_no_stamp_can_be_kept_no_notice_is_shown(user: User) -> None:
    """It would come with every run."""
    Path(user.where.stamp).mkdir(parents=True)
    assert user.on_terminal("hello") == (0, "hello\n", "")
    assert user.on_terminal("hello") == (0, "hello\n", "")
