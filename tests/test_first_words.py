"""What a user sees and hears of us at first, at the last, and in what words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import audit
import breakers
import pytest
from hypothesis import given, settings
from manifests import Document, documents, toml
from recorder import Recorder, recorder
from support import User, user_at
from watch import needs_proc

from cli_analytics import disclosure, manifest

ROOT = Path(__file__).parent.parent
NOTICE = "Nothing was recorded in this run."
OFF = {"DO_NOT_TRACK": "1"}


@pytest.fixture
def server() -> Iterator[Recorder]:
    with recorder() as running:
        yield running


@pytest.fixture
def user(tmp_path: Path, server: Recorder) -> Iterator[User]:
    with user_at(tmp_path, server.url) as somebody:
        yield somebody


def test_the_run_that_shows_the_notice_prints_what_it_prints_without_us(user: User) -> None:
    """As in `$(mytool hello)` at a terminal: the output goes into a variable, and the notice to the terminal."""
    opted_out = user.on_terminal("hello", **OFF)
    first = user.on_terminal("hello")
    assert NOTICE in first.terminal
    assert (first.status, first.stdout) == (opted_out.status, opted_out.stdout) == (0, "hello\n")
    assert opted_out.terminal == ""


@pytest.mark.slow
def test_of_many_runs_in_a_row_the_first_shows_the_notice(user: User) -> None:
    shown = [NOTICE in user.on_terminal("hello").terminal for _ in range(12)]
    assert shown == [True] + [False] * 11


@needs_proc
def test_nothing_is_sent_by_the_off_itself(user: User, server: Recorder) -> None:
    user.inform()
    breakers.hold(user.where)
    user.run("export", "7")
    assert len(user.appended()) == 2
    breakers.let_go(user.where)
    seen = audit.run(user.host, "analytics", "off", environ=user.environ)
    assert "Deleted: the id, the log, and what waited (2)" in seen.stdout
    assert seen.of((*audit.STARTS, *audit.THREADS, "socket.connect", "socket.getaddrinfo")) == []
    assert (server.requests, user.senders()) == ([], [])


CLAIM = re.compile(r"\banonym\w*", re.IGNORECASE)  # of data with an id that lasts, which are pseudonymous at best


@pytest.mark.slow
@settings(deadline=None, max_examples=20)
@given(documents())
def test_nobody_is_told_that_a_lasting_id_is_anonymous(document: Document) -> None:
    declared = manifest.parse(toml(document))
    for text in (disclosure.page(declared), disclosure.notice(declared, declared.sinks, commands="x", where="/choice")):
        ours = text.replace("anonymousId", "").replace("SEND_ANONYMOUS_USAGE_INFO", "")
        assert CLAIM.findall(ours) == []
        assert "pseudonymous" in ours


def test_nor_is_it_said_in_what_is_written_about_us() -> None:
    paths = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    said = " ".join(path.read_text(encoding="utf-8") for path in paths)
    for name in ("anonymousId", "SEND_ANONYMOUS_USAGE_INFO", "`SP-Anonymous: *`"):
        said = said.replace(name, "")
    assert CLAIM.findall(said) == []
