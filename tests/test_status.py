"""`mytool analytics status`: on or off, every source and what it found, what waits, what was sent and its cost."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from environment_of_a_user import ENDPOINT, UserOf
from recorder import recorder
from support import User, user_at
from test_consent import facts
from test_user_commands import CHOICE, CLIENT_ID, JOTTER, STAMP, analytics, as_json, identity, put, work
from watch import until

from cli_analytics import breaker, consent, demo, manifest
from cli_analytics.claims import Claims
from cli_analytics.explanation import explain
from cli_analytics.spool import Spool

DEMO = Path(demo.__file__).with_name("analytics.toml")


@pytest.fixture
def user(tmp_path: Path) -> UserOf:
    """One who has not been told anything yet."""
    user = UserOf(tmp_path, tool="jotter")
    del user.environ["SEND_ANONYMOUS_USAGE_INFO"]
    return user


def key_of(user: UserOf) -> str:
    """The name of the one sink to which this user's events go."""
    [sink] = manifest.destinations(manifest.load(str(DEMO)), user.environ)
    return sink.key


def source(shown: dict[str, Any], name: str) -> dict[str, str | None]:
    """What a source has looked at: where, and what was there."""
    (item,) = (item for item in shown["sources"] if item["source"] == name)
    return {looked["where"]: looked["value"] for looked in item["looked_at"]}


def test_status_shows_all_there_is_to_know(user: UserOf) -> None:
    as_json(user, "on")
    work(user)
    breaker.postpone(user.where, (), key_of(user), 600)
    shown = as_json(user, "status")
    assert (shown["tool"], shown["version"]) == ("jotter", "1.4.0")
    assert (shown["recording"], shown["decided_by"]) == (True, "default")
    assert shown["told"] == time.strftime("%Y-%m-%d", time.gmtime())
    assert shown["client_id"] == identity(user)
    (event,) = user.events()
    assert shown["waiting"] == {"events": 1, "bytes": len(user.waiting()[0]), "names": {event["event"]: 1}}
    assert shown["last_attempt"] is None
    assert shown["sent"] == {"requests": 0, "events": 0, "bytes": 0}
    [sink] = shown["destinations"]
    assert (sink["to"], sink["address"], sink["waiting"]) == ("segment at 127.0.0.1:9", ENDPOINT, 1)
    assert sink["next_attempt"]
    assert shown["files"] == {"configuration": user.where.config, "state": user.where.state}
    text = analytics(user, "status")
    for word in (
        "jotter 1.4.0: usage data is recorded",
        identity(user),
        "(command_run 1)",
        f"to            segment at 127.0.0.1:9: 1 waiting, next attempt {sink['next_attempt']}\n",
        user.where.config,
    ):
        assert word in text


SOURCES = [
    ("machine", {}, {"etc/jotter/analytics/choice": "off"}),
    ("machine", {"DO_NOT_TRACK": "1"}, {"etc/cli-analytics/choice": "off"}),
    ("environment", {"DO_NOT_TRACK": "1"}, {CHOICE: "off"}),
    ("environment", {"SEND_ANONYMOUS_USAGE_INFO": "ture"}, {CHOICE: "on"}),
    ("environment", {"JOTTER_NO_ANALYTICS": "yes"}, {}),
    ("choice", {"CI": "true"}, {CHOICE: "off 2026-01-02\n"}),
    ("choice", {}, {CHOICE: "perhaps"}),
    ("choice", {}, {".config/cli-analytics/choice": "off"}),
    ("ci", {"GITHUB_ACTIONS": "true"}, {CHOICE: "on"}),
    ("development", {"PYTEST_CURRENT_TEST": "this"}, {}),
    ("storage", {}, {".config/jotter": ""}),
    ("notice", {}, {}),
    ("default", {"SEND_ANONYMOUS_USAGE_INFO": "true"}, {}),
]


@pytest.mark.parametrize(("source", "variables", "files"), SOURCES)
def test_status_says_which_source_won(
    user: UserOf, source: str, variables: dict[str, str], files: dict[str, str]
) -> None:
    for path, content in files.items():
        put(user, path, content)
    shown = as_json(user, "status", **variables)
    assert shown["decided_by"] == source
    says_no = [item["source"] for item in shown["sources"] if item["says_no"]]
    assert shown["recording"] is (not says_no)
    assert says_no[:1] == ([] if source == "default" else [source])
    assert [item["source"] for item in shown["sources"] if item["decided"]] == says_no[:1]
    assert shown["reason"] in analytics(user, "status", **variables)


def test_the_flag_of_a_run_counts_too(user: UserOf) -> None:
    ended = user.run(*JOTTER, "--no-analytics", "analytics", "status", "--json")
    assert json.loads(ended.stdout)["decided_by"] == "flag"


def test_a_source_shows_its_value_and_where_that_came_from(user: UserOf) -> None:
    file = put(user, CHOICE, "on 2026-01-02\n")
    machine = put(user, "etc/cli-analytics/choice", "perhaps\n")
    shown = as_json(user, "status", DO_NOT_TRACK="1", CI="true", JOTTER_NO_ANALYTICS="")
    assert source(shown, "environment") == {
        "variable SEND_ANONYMOUS_USAGE_INFO": None,
        "variable DO_NOT_TRACK": "1",
        "variable JOTTER_NO_ANALYTICS": "",
        "variable CLI_ANALYTICS_HANDOVER": None,
    }
    assert source(shown, "choice")[str(file)] == "on 2026-01-02"
    assert source(shown, "machine")[str(machine)] == "perhaps"
    assert source(shown, "ci") == {"variable CI": "true", "manifest policy.ci": "off"}
    assert source(shown, "end date") == {"manifest policy.ends": "2030-12-31"}
    assert source(shown, "development") == {"version": "1.4.0"}
    text = analytics(user, "status", DO_NOT_TRACK="1")
    assert "    variable DO_NOT_TRACK: 1\n" in text
    assert f"    {file}: on 2026-01-02\n" in text


def test_every_source_that_says_no_is_shown_and_the_first_has_decided(tmp_path: Path) -> None:
    given = facts(tmp_path, environ={"DO_NOT_TRACK": "1"}, flag_off=True, informed=False)
    found = explain(given, consent.decide(given))
    assert [item["source"] for item in found] == [name for name, _ in consent.RULES]
    assert [item["source"] for item in found if item["says_no"]] == ["environment", "flag", "notice"]
    assert [item["source"] for item in found if item["decided"]] == ["environment"]
    assert all(item["looked_at"] for item in found)


BROKEN = [
    (STAMP, "not one of ours", "notice"),
    (STAMP, None, "notice"),
    (CLIENT_ID, "not one of ours", "storage"),
    (CLIENT_ID, None, "storage"),
    (CHOICE, None, "choice"),
]


@pytest.mark.parametrize(("path", "content", "decided_by"), BROKEN)
def test_what_is_broken_is_the_reason(user: UserOf, path: str, content: str | None, decided_by: str) -> None:
    as_json(user, "on")
    (user.home / path).unlink(missing_ok=True)
    if content is None:
        (user.home / path).mkdir()
    else:
        put(user, path, content)
    shown = as_json(user, "status")
    assert (shown["recording"], shown["decided_by"]) == (False, decided_by)
    assert str(user.home / path) in shown["reason"]
    work(user)
    assert not user.events(), "and it is true"


def test_a_home_that_cannot_be_found_is_the_reason(user: UserOf) -> None:
    shown = as_json(user, "status", HOME="")
    assert (shown["recording"], shown["decided_by"]) == (False, "storage")
    assert "is no home directory" in analytics(user, "status", HOME="")


def test_what_waits_for_a_sink_is_counted_whoever_has_it_and_what_was_dropped_is_not(user: UserOf) -> None:
    as_json(user, "on")
    work(user)
    spool, sink = Spool(user.where.spool), key_of(user)
    spool.append(b"{}")
    spool.drop(spool.waiting()[-1])
    claims = Claims(spool, [sink])
    assert len(claims.claim(sink)) == claims.dropped(sink) == 1
    work(user)
    shown = as_json(user, "status")
    assert shown["waiting"]["events"] == 2
    assert [found["waiting"] for found in shown["destinations"]] == [2]


def test_what_a_killed_sender_was_handing_out_waits_for_the_sink(user: UserOf) -> None:
    as_json(user, "on")
    work(user)
    [name] = Spool(user.where.spool).waiting()
    Path(user.where.spool, "new", name).rename(Path(user.where.spool, "claimed", name))
    assert [found["waiting"] for found in as_json(user, "status")["destinations"]] == [1]


def test_an_endpoint_that_is_gone_is_the_reason(user: UserOf) -> None:
    as_json(user, "on")
    breaker.stop(user.where, (), key_of(user), "1.4.0")
    shown = as_json(user, "status")
    assert (shown["recording"], shown["decided_by"]) == (False, "endpoint")
    assert [sink["next_attempt"] for sink in shown["destinations"]] == ["never: the endpoint is gone for good"]


def test_debugging_is_the_reason(user: UserOf) -> None:
    as_json(user, "on")
    assert as_json(user, "status", CLI_ANALYTICS_DEBUG="1")["decided_by"] == "debug"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[User]:
    with recorder() as server, user_at(tmp_path, server.url) as somebody:
        yield somebody


def test_what_was_sent_and_what_that_has_cost_is_shown(served: User) -> None:
    served.inform()
    served.run("hello")
    shown = after(served, requests=1)
    entry = shown["last_attempt"]
    assert (entry["delivery"], entry["status"], entry["events"]) == ("DELIVERED", 200, 1)
    assert shown["sent"] == {"requests": 1, "events": 1, "bytes": entry["bytes"]}
    assert "1 events in 1 requests" in served.run("analytics", "status").stdout
    served.run("hello")
    shown = after(served, requests=2)
    assert shown["sent"]["events"] == 2
    assert served.run("analytics", "off").returncode == 0
    shown = json.loads(served.run("analytics", "status", "--json").stdout)
    assert (shown["sent"], shown["last_attempt"]) == ({"requests": 0, "events": 0, "bytes": 0}, None)


def after(user: User, requests: int) -> dict[str, Any]:
    """The status once that many requests have been delivered."""
    found: dict[str, Any] = {}

    def is_delivered() -> bool:
        found.update(json.loads(user.run("analytics", "status", "--json").stdout))
        return bool(found["sent"]["requests"] == requests)

    until(is_delivered)
    return found
