"""Several sinks at once: each has its own claim, so a failing one neither blocks nor doubles the other."""

from __future__ import annotations

import gzip
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from recorder import Recorder, recorder
from senders import let_pauses_pass
from support import MANIFEST, User, user_at
from tls import Authority
from watch import until

from cli_analytics import breaker, environment, event, log
from cli_analytics.spool import Spool

pytestmark = pytest.mark.slow  # it depends little on the Python it runs on

SEGMENT = '[[sinks]]\ntype = "segment"\nendpoint = "{url}"\nwrite_key = "key-of-mytool"\n'
GA4 = '[[sinks]]\ntype = "ga4"\nendpoint = "{url}"\nmeasurement_id = "G-TEST12345"\napi_secret = "sesame"\n'
UNIVERSAL = '[[sinks]]\ntype = "universal"\nendpoint = "{url}"\ntracking_id = "UA-000000-1"\n'
INFLUXDB = '[[sinks]]\ntype = "influxdb"\nendpoint = "{url}"\norg = "o"\nbucket = "b"\ntoken = "sesame"\n'
FILE = '[[sinks]]\ntype = "file"\npath = "{url}"\n'
CONSOLE = '[[sinks]]\ntype = "console"\n'


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    with user_at(tmp_path) as somebody:
        del somebody.environ[environment.ENDPOINT]
        yield somebody


@pytest.fixture
def one() -> Iterator[Recorder]:
    with recorder() as server:
        yield server


@pytest.fixture
def other() -> Iterator[Recorder]:
    with recorder() as server:
        yield server


def give(user: User, *sinks: str) -> None:
    """A manifest with these sinks, of which the user was told."""
    head, rest = MANIFEST.split("[[sinks]]")
    user.manifest.write_text(head + "".join(sinks) + rest[rest.index("[events.") :], encoding="utf-8")
    user.inform()


def ids(server: Recorder) -> list[str]:
    return [event["messageId"] for event in server.events]


def run(user: User, times: int = 1) -> None:
    for _ in range(times):
        done = user.run("hello")
        assert (done.returncode, done.stdout, done.stderr) == (0, "hello\n", "")


def wait_for_end(user: User) -> None:
    until(lambda: not user.senders())


def test_each_kind_of_sink_gets_each_event_once_over_tls(user: User, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    user.environ["SSL_CERT_FILE"] = str(authority.file)
    archive = tmp_path / "archive"
    with recorder(authority.vouch()) as server:
        remote = [sink.format(url=server.url) for sink in (SEGMENT, GA4, UNIVERSAL, INFLUXDB)]
        give(user, *remote, FILE.format(url=archive), CONSOLE)
        run(user, 3)
        until(lambda: len(log.read(user.where)) >= 6 and not user.waiting() and not user.claimed())
        found: dict[str, list[bytes]] = {}
        for request in server.requests:
            compressed = request.headers.get("Content-Encoding") == "gzip"
            found.setdefault(request.path, []).append(gzip.decompress(request.body) if compressed else request.body)
    path = "/mp/collect?measurement_id=G-TEST12345&api_secret=sesame"
    hits = [line for path in ("/collect", "/batch") for body in found.pop(path, []) for line in body.splitlines()]
    lines = found.pop("/api/v2/write?org=o&bucket=b&precision=s")
    assert set(found) == {"/v1/batch", path}
    assert [sum(len(json.loads(body)["events"]) for body in found[path])] == [3]
    assert sum(len(json.loads(body)["batch"]) for body in found["/v1/batch"]) == 3
    assert [parse_qs(hit.decode())["ea"] for hit in hits] == [["command_run"]] * 3
    assert sum(int(line.split(b"count=")[1].split(b"i")[0]) for body in lines for line in body.splitlines()) == 3
    records = [line for file in archive.rglob("*.gz") for line in gzip.decompress(file.read_bytes()).splitlines()]
    assert len({json.loads(record)["messageId"] for record in records}) == len(records) == 3
    kept = [entry for entry in log.read(user.where) if entry["to"] == "console:"]
    assert sum(len(entry["body"].splitlines()) for entry in kept) == 3
    assert "sesame" not in Path(user.where.log).read_text(encoding="utf-8"), "the log has no secrets"


def test_a_sink_that_fails_neither_blocks_nor_doubles_the_other(user: User, one: Recorder, other: Recorder) -> None:
    give(user, SEGMENT.format(url=one.url), SEGMENT.format(url=other.url))
    one.status = 503
    for number in (1, 2, 3):
        run(user)
        assert len(other.wait(number)) == number
        wait_for_end(user)
    assert len(one.requests) == 1, "it has a pause, and the other has none"
    one.status = 200
    let_pauses_pass(user)
    run(user)
    assert len(other.wait(4)) == 4
    until(lambda: len(set(ids(one))) == 4 and not user.waiting())
    assert ids(one)[1:] == ids(other), "the first time it did not take it"
    until(lambda: not os.path.exists(user.where.breaker))


def test_a_sink_that_hangs_does_not_keep_the_event_from_the_other(user: User, one: Recorder, other: Recorder) -> None:
    give(user, SEGMENT.format(url=one.url), SEGMENT.format(url=other.url))
    one.answering.clear()
    run(user)
    assert len(other.wait(1)) == 1
    wait_for_end(user)
    one.answering.set()
    let_pauses_pass(user)
    run(user)
    assert len(other.wait(2)) == 2
    until(lambda: not user.waiting() and not user.claimed())
    assert set(ids(one)) == set(ids(other))
    assert len(ids(other)) == 2


def test_a_kill_between_two_sinks_doubles_nothing_for_the_first(user: User, one: Recorder, other: Recorder) -> None:
    give(user, SEGMENT.format(url=one.url), SEGMENT.format(url=other.url))
    other.answering.clear()
    run(user)
    until(lambda: other.requests)
    for sender in user.senders():
        os.kill(sender, signal.SIGKILL)
    wait_for_end(user)
    other.answering.set()
    let_pauses_pass(user)
    run(user)
    until(lambda: len(set(ids(other))) == 2 and not user.waiting() and not user.claimed())
    assert len(ids(one)) == len(set(ids(one))) == 2
    assert set(ids(one)) == set(ids(other))


def test_a_sink_that_is_gone_gets_nothing_any_more_and_the_others_go_on(
    user: User, one: Recorder, other: Recorder
) -> None:
    give(user, SEGMENT.format(url=one.url), SEGMENT.format(url=other.url))
    one.status = 410
    for number in (1, 2):
        run(user)
        assert len(other.wait(number)) == number
        until(lambda: not user.waiting() and not user.claimed())
        wait_for_end(user)
    assert len(one.requests) == 1
    other.status = 410
    run(user)
    until(lambda: breaker.read(user.where).is_gone("1.2.3"))
    wait_for_end(user)
    run(user, 2)
    assert (user.waiting(), user.claimed(), user.senders()) == ([], [], [])
    assert (len(one.requests), len(other.requests)) == (1, 3)


def test_a_sink_that_an_upgrade_brings_gets_what_the_old_one_did_not(
    user: User, one: Recorder, other: Recorder
) -> None:
    give(user, SEGMENT.format(url="http://127.0.0.1:9"), SEGMENT.format(url=one.url))
    run(user)
    assert len(one.wait(1)) == 1
    wait_for_end(user)
    give(user, SEGMENT.format(url=other.url), SEGMENT.format(url=one.url))
    let_pauses_pass(user)
    run(user)
    until(lambda: len(ids(other)) == 2 and len(ids(one)) == 2)
    assert ids(one) == ids(other)
    until(lambda: not user.waiting() and not user.claimed())


def test_an_organizations_endpoint_replaces_all_of_them(user: User, one: Recorder, other: Recorder) -> None:
    give(user, *(sink.format(url=one.url) for sink in (SEGMENT, GA4, UNIVERSAL, INFLUXDB)), CONSOLE)
    user.environ[environment.ENDPOINT] = other.url
    run(user)
    assert len(other.wait(1)) == 1
    until(lambda: not user.waiting() and not user.claimed())
    assert [request.path for request in other.requests] == ["/v1/batch"]
    assert one.requests == []


def test_status_and_preview_show_each_of_them(user: User, one: Recorder) -> None:
    give(user, SEGMENT.format(url=one.url), GA4.format(url=one.url), UNIVERSAL.format(url=one.url), CONSOLE)
    one.status = 503
    run(user)
    until(lambda: len(log.read(user.where)) == 4)
    wait_for_end(user)
    found = json.loads(user.run("analytics", "status", "--json").stdout)["destinations"]
    host = one.url.removeprefix("http://") if hasattr(str, "removeprefix") else one.url[len("http://") :]
    shown = [(sink["to"], sink["waiting"], bool(sink["next_attempt"])) for sink in found]
    assert shown == [
        (f"segment at {host}", 1, True),
        (f"ga4 at {host}", 0, True),
        (f"universal at {host}", 0, True),
        ("console", 0, False),
    ], "Google's can't tell a repetition, so what it refused is not sent again"
    text = user.run("analytics", "status").stdout
    assert f"to            segment at {host}: 1 waiting, next attempt 2" in text
    assert "to            console: 0 waiting, next attempt with the next event" in text
    preview = json.loads(user.run("analytics", "preview", "--json").stdout)
    assert [item["to"] for item in preview] == [f"{one.url}/v1/batch"]
    user.run("analytics", "reset")
    preview = json.loads(user.run("analytics", "preview", "--json").stdout)
    assert [item["to"] for item in preview] == [
        *(f"{one.url}/{path}" for path in ("v1/batch", "mp/collect", "collect")),
        "console:",
    ]
    assert "sesame" not in json.dumps(preview)


def test_preview_shows_what_waits_for_a_sink_to_that_sink_alone(user: User, one: Recorder) -> None:
    failing = SEGMENT.format(url="http://127.0.0.1:9")
    give(user, failing)
    run(user)
    until(lambda: log.read(user.where))
    wait_for_end(user)
    give(user, failing, GA4.format(url=one.url))
    preview = json.loads(user.run("analytics", "preview", "--json").stdout)
    assert [item["to"] for item in preview] == ["http://127.0.0.1:9/v1/batch"]


def test_an_off_between_two_requests_of_a_batch_lets_no_other_leave(user: User, one: Recorder) -> None:
    give(user, GA4.format(url=one.url))
    for _ in range(60):  # Google takes 25 at once
        waiting = event.build("command_run", {}, client_id=event.uuid4(), context={}, now=time.time())
        Spool(user.where.spool).append(event.encode(waiting).encode())
    one.answering.clear()
    run(user)
    until(lambda: one.requests)
    assert user.run("analytics", "off").returncode == 0
    one.answering.set()
    wait_for_end(user)
    assert len(one.requests) == 1
    assert not os.path.exists(user.where.log)
