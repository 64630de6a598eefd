"""`mytool analytics status | on | off | log | preview | reset`, as a user of jotter runs them."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from environment_of_a_user import ENDPOINT, Ended, UserOf
from support import on_terminal

from cli_analytics import log
from cli_analytics.claims import Claims
from cli_analytics.spool import Spool

JOTTER = ("-m", "cli_analytics.demo.jotter")
ALL = ("status", "on", "off", "log", "preview", "reset")
CHOICE = ".config/jotter/analytics/choice"
CLIENT_ID = ".config/jotter/analytics/client-id"
STAMP = ".local/state/jotter/analytics/stamp"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@pytest.fixture
def user(tmp_path: Path) -> UserOf:
    """One who has not been told anything yet."""
    user = UserOf(tmp_path, tool="jotter")
    del user.environ["SEND_ANONYMOUS_USAGE_INFO"]
    return user


def analytics(user: UserOf, *arguments: str, **variables: str) -> str:
    """What a users' command prints where all is well."""
    ended = user.run(*JOTTER, "analytics", *arguments, **variables)
    assert (ended.status, ended.stderr) == (0, "")
    return ended.stdout


def as_json(user: UserOf, *arguments: str, **variables: str) -> Any:
    return json.loads(analytics(user, *arguments, "--json", **variables))


def work(user: UserOf, **variables: str) -> Ended:
    return user.run(*JOTTER, "list", **variables)


def put(user: UserOf, path: str, content: str) -> Path:
    file = user.home / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, encoding="utf-8")
    return file


def identity(user: UserOf) -> str:
    return (user.home / CLIENT_ID).read_text(encoding="ascii").strip()


@pytest.mark.parametrize("command", ALL)
def test_each_prints_text_or_one_json_document_and_nothing_else(user: UserOf, command: str) -> None:
    text = analytics(user, command)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert as_json(user, command) is not None


@pytest.mark.parametrize("command", ALL)
def test_none_of_them_is_recorded(user: UserOf, command: str) -> None:
    as_json(user, "on")
    as_json(user, command)
    assert user.run(*JOTTER, "analytics", command, "--secret").status == 2
    assert not user.events()


@pytest.mark.parametrize("command", ALL)
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminal")
def test_none_of_them_shows_the_notice(user: UserOf, command: str) -> None:
    assert on_terminal([sys.executable, *JOTTER, "analytics", command], user.environ, user.home).terminal == ""


@pytest.mark.parametrize("command", ["status", "log", "preview"])
def test_looking_changes_nothing(user: UserOf, command: str) -> None:
    analytics(user, command)
    assert user.files() == []
    as_json(user, "on")
    work(user)
    before = {path: (user.home / path).read_bytes() for path in user.files()}
    analytics(user, command)
    assert {path: (user.home / path).read_bytes() for path in user.files()} == before


def test_on_tells_the_user_and_records_from_the_next_run_on(user: UserOf) -> None:
    text = analytics(user, "on")
    for word in ("jotter records", "pseudonymous", "https://example.org/jotter/analytics", "jotter analytics off"):
        assert word in text
    assert user.files() == [CHOICE, STAMP]
    assert as_json(user, "on") == {
        "choice": "on",
        "recording": True,
        "decided_by": "default",
        "reason": "nothing says no, and you were told",
    }
    assert work(user) == Ended("", "", 0)
    assert user.commands() == ["list"]


def test_on_says_what_still_says_no(user: UserOf) -> None:
    assert "Yet nothing is recorded: DO_NOT_TRACK is set (environment)." in analytics(user, "on", DO_NOT_TRACK="1")
    assert as_json(user, "on", DO_NOT_TRACK="1")["recording"] is False


def test_off_may_be_the_first_thing_a_user_ever_does(user: UserOf) -> None:
    text = analytics(user, "off")
    assert text == "jotter records no usage data any more. Deleted: the id, the log, and what waited (0).\n"
    assert user.files() == [CHOICE]
    assert (user.home / CHOICE).read_text().split() == ["off", time.strftime("%Y-%m-%d", time.gmtime())]
    work(user, SEND_ANONYMOUS_USAGE_INFO="true")
    assert user.files() == [CHOICE]


def test_off_leaves_nothing_but_the_choice(user: UserOf) -> None:
    as_json(user, "on")
    work(user)
    log.append(user.where, {"sent_at": "2026-01-02T03:04:05.678Z", "delivery": "DELIVERED"})
    assert as_json(user, "off") == {"choice": "off", "deleted_events": 1}
    assert set(user.files()) - {path for path in user.files() if path.endswith(".lock")} == {CHOICE, STAMP}
    work(user)
    assert not user.events()
    assert as_json(user, "on")["recording"] is True


@pytest.mark.parametrize("command", ["off", "reset"])
def test_what_waits_for_a_sink_that_failed_is_deleted_and_counted_too(user: UserOf, command: str) -> None:
    as_json(user, "on")
    work(user)
    claims = Claims(Spool(user.where.spool), ["one", "other"])
    assert len(claims.claim("one")) == len(claims.claim("other")) == 1
    work(user)
    assert as_json(user, command)["deleted_events"] == 2
    assert not [path for path in user.files() if path.endswith(".json")]


def test_reset_gives_a_new_id(user: UserOf) -> None:
    as_json(user, "on")
    work(user)
    before = identity(user)
    assert UUID.fullmatch(before)
    assert as_json(user, "reset") == {"deleted_events": 1}
    assert not (user.home / CLIENT_ID).exists()
    assert not user.events()
    work(user)
    assert UUID.fullmatch(identity(user))
    assert identity(user) != before
    assert [event["anonymousId"] for event in user.events()] == [identity(user)]


def test_preview_shows_what_would_be_sent_and_where(user: UserOf) -> None:
    (sample,) = as_json(user, "preview")
    assert sample["to"] == f"{ENDPOINT}/v1/batch"
    assert sample["body"]["batch"][0]["anonymousId"] == "00000000-0000-4000-8000-000000000000"
    as_json(user, "on")
    work(user)
    (waiting,) = as_json(user, "preview")
    assert waiting["body"]["batch"] == [{**event, "request_ip": "0.0.0.0"} for event in user.events()]
    assert analytics(user, "preview").startswith(f"1 waiting, to be sent like this:\nPOST {ENDPOINT}/v1/batch\n")


def test_log_shows_what_was_sent_byte_for_byte(user: UserOf) -> None:
    assert analytics(user, "log") == "Nothing was sent yet.\n"
    assert as_json(user, "log") == []
    entry = {
        "sent_at": "2026-01-02T03:04:05.678Z",
        "to": ENDPOINT,
        "events": 2,
        "bytes": 311,
        "delivery": "DELIVERED",
        "status": 200,
        "body": '{"batch":[]}',
    }
    log.append(user.where, entry)
    assert as_json(user, "log") == [{**entry, "sent": {"requests": 1, "events": 2, "bytes": 311}}]
    assert analytics(user, "log") == (
        f'2026-01-02T03:04:05.678Z  2 events to {ENDPOINT}: DELIVERED (200)\n{{"batch":[]}}\n'
    )


UNUSABLE = [
    ("on", ".config/jotter", "not a folder"),
    ("off", ".config/jotter", "not a folder"),
    ("off", CLIENT_ID, "folder"),
    ("reset", CLIENT_ID, "folder"),
    ("preview", CLIENT_ID, "not one of ours"),
]


@pytest.mark.parametrize(("command", "path", "what"), UNUSABLE)
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_what_cannot_be_used_is_said_in_one_line(
    user: UserOf, command: str, path: str, what: str, form: tuple[str, ...]
) -> None:
    if what == "folder":
        (user.home / path).mkdir(parents=True)
    else:
        put(user, path, what)
    ended = user.run(*JOTTER, "analytics", command, *form)
    assert (ended.status, ended.stdout) == (1, "")
    assert re.fullmatch(r"Error: .+\n", ended.stderr)
    assert str(user.home / path) in ended.stderr


@pytest.mark.parametrize("command", ["on", "off"])
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be in another's home")
def test_root_in_somebody_elses_home_is_told_so_and_leaves_nothing(user: UserOf, command: str) -> None:
    os.chown(user.home, 65534, 65534)
    ended = user.run(*JOTTER, "analytics", command)
    assert (ended.status, ended.stdout) == (1, "")
    assert "it is somebody else's" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert not (user.home / ".config").exists()


@pytest.mark.parametrize("content", ["    on", " \n\n off\n"])
def test_a_choice_with_spaces_before_it_is_read(user: UserOf, content: str) -> None:
    put(user, CHOICE, content)
    says_no = [item["source"] for item in as_json(user, "status")["sources"] if item["says_no"]]
    assert ("choice" in says_no) is ("off" in content)
