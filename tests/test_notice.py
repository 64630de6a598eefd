"""Does the user know? Shown once, on a terminal, and only then counted as shown."""

from __future__ import annotations

import io
import json
import os
import pty
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

import pytest
from support import User, user_at

from cli_analytics import consent, detection, notice, storage
from cli_analytics.consent import NOBODY, Stamp
from cli_analytics.storage import Storage, StorageError

DIGEST = "d" * 64
TEXT = "mytool collects…\n"
SHOWN = "Nothing was recorded in this run."
HANDED = "1:0b7e2f9a-1c3d-4e5f-8a9b-0c1d2e3f4a5b:" + DIGEST + ":on"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Unplugged(Terminal):
    """One that can't be written any more."""

    def write(self, text: str) -> int:
        raise OSError(5, "Input/output error")


class Unflushed(Terminal):
    """One that takes a text and then can't bring it to anybody."""

    def flush(self) -> None:
        if not self.closed and self.getvalue():
            raise OSError(28, "No space left on device")


@pytest.fixture
def where(tmp_path: Path) -> Storage:
    return storage.locate("mytool", {"HOME": str(tmp_path)})


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    with user_at(tmp_path) as somebody:
        yield somebody


def current() -> Stamp:
    return Stamp(NOBODY, "2026-01-02", DIGEST, b"", default="on", ci="off", opt_out_env=(), ends="")


def told(where: Storage) -> Optional[str]:
    kept = consent.read_stamp(where)
    return None if kept is None else kept.told


def test_it_is_shown_and_the_stamp_says_so(where: Storage) -> None:
    terminal = Terminal()
    notice.ensure_shown(where, current(), TEXT, terminal)
    assert terminal.getvalue() == TEXT
    assert told(where) == DIGEST


def test_it_is_shown_once(where: Storage) -> None:
    terminal = Terminal()
    for _ in range(3):
        notice.ensure_shown(where, current(), TEXT, terminal)
    assert terminal.getvalue() == TEXT


def test_what_was_told_before_is_no_reason_not_to_tell_more(where: Storage) -> None:
    notice.ensure_shown(where, current(), TEXT, Terminal())
    terminal, more = Terminal(), current()
    more.disclosure = "e" * 64
    notice.ensure_shown(where, more, TEXT, terminal)
    assert terminal.getvalue() == TEXT
    assert told(where) == "e" * 64


@pytest.mark.parametrize("stream", [Unplugged, Unflushed])
def test_a_notice_that_cannot_be_written_was_not_shown(where: Storage, stream: type[Terminal]) -> None:
    with pytest.raises(OSError, match="Input|No space"):
        notice.ensure_shown(where, current(), TEXT, stream())
    kept = consent.read_stamp(where)
    assert kept is None or not kept.informed
    terminal = Terminal()
    notice.ensure_shown(where, current(), TEXT, terminal)
    assert terminal.getvalue() == TEXT


def test_where_no_stamp_can_be_kept_nothing_is_shown(where: Storage) -> None:
    os.makedirs(where.stamp)
    terminal = Terminal()
    with pytest.raises(StorageError):
        notice.ensure_shown(where, current(), TEXT, terminal)
    assert terminal.getvalue() == ""


def test_while_another_process_shows_it_nothing_is_shown(where: Storage) -> None:
    lock = storage.lock(where.notice_lock)
    assert lock is not None
    terminal = Terminal()
    notice.ensure_shown(where, current(), TEXT, terminal)
    os.close(lock)
    assert terminal.getvalue() == ""
    assert told(where) is None


def test_many_at_once_show_it_once(where: Storage) -> None:
    terminals = [Terminal() for _ in range(16)]
    threads = [
        threading.Thread(target=notice.ensure_shown, args=(where, current(), TEXT, terminal)) for terminal in terminals
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(terminal.getvalue().count(TEXT) for terminal in terminals) == 1


def test_it_can_be_shown_on_a_terminal_that_a_person_reads() -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        assert notice.can_show(terminal, {})
        assert not notice.can_show(terminal, {"GITHUB_ACTIONS": "true"})
        assert not any(notice.can_show(terminal, {name: "1"}) for name in detection.AGENTS)
        assert not any(notice.can_show(terminal, {"CLI_ANALYTICS_HANDOVER": text}) for text in (HANDED, "1:off", "x"))
        assert notice.can_show(terminal, {"CLI_ANALYTICS_HANDOVER": "", "CLAUDECODE": "", "CI": ""}), "as from compose"
    assert not notice.can_show(terminal, {}), "it is closed"
    os.close(ours)


def test_it_cannot_be_shown_elsewhere(tmp_path: Path) -> None:
    assert not notice.can_show(None, {})
    assert not notice.can_show(io.StringIO(), {})
    with (tmp_path / "log").open("w") as file:
        assert not notice.can_show(file, {})


def test_an_agent_at_a_terminal_is_told_nothing_and_records_nothing_until_a_person_was_told(user: User) -> None:
    for _ in range(2):
        assert user.on_terminal("export", "7", CLAUDECODE="1") == (0, "", "")
    assert user.kept() == []
    assert not os.path.exists(user.where.client_id)
    assert SHOWN in user.on_terminal("export", "7").terminal
    assert user.kept() == []
    assert user.on_terminal("export", "7", CLAUDECODE="1") == (0, "", "")
    assert len(user.kept()) == 2, "the agent of a person who was told"


def test_a_container_shows_no_notice_to_whom_a_launcher_has_told_something_else(user: User) -> None:
    assert user.on_terminal("export", "7", CLI_ANALYTICS_HANDOVER=HANDED) == (0, "", "")
    assert user.kept() == []
    assert SHOWN in user.on_terminal("export", "7").terminal


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("CODEX_THREAD_ID", "1", "no person reads the terminal of a coding agent (CODEX_THREAD_ID is set)"),
        ("GITLAB_CI", "true", "no person reads the terminal of continuous integration (gitlab)"),
        ("CLI_ANALYTICS_HANDOVER", HANDED, "it is for the launcher to show (CLI_ANALYTICS_HANDOVER is set)"),
    ],
)
def test_status_says_why_none_is_shown(user: User, name: str, value: str, why: str) -> None:
    assert f"    the notice: {why}\n" in user.run("analytics", "status", **{name: value}).stdout
    assert "the notice: " not in user.run("analytics", "status").stdout
    user.inform()
    sources = json.loads(user.run("analytics", "status", "--json", **{name: value}).stdout)["sources"]
    (told,) = [source["looked_at"] for source in sources if source["source"] == "notice"]
    assert len(told) == 1, "who was told needs none"
