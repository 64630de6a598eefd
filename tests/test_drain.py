"""What the sender does with each answer, and what it sends: real senders, a real server on loopback."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import breakers
import pytest
from recorder import Recorder, recorder
from support import MANIFEST, User, user_at
from watch import needs_proc, until

from cli_analytics import event, log
from cli_analytics.claims import MAX_AGE_SECONDS
from cli_analytics.spool import BATCH_EVENTS, Spool

SECRET = "s3cr3t-in-a-path"


@pytest.fixture
def server() -> Iterator[Recorder]:
    with recorder() as running:
        yield running


@pytest.fixture
def user(tmp_path: Path, server: Recorder) -> Iterator[User]:
    """Somebody who was told, and has recorded nothing yet."""
    with user_at(tmp_path, server.url) as somebody:
        somebody.inform()
        yield somebody


def wait_for_answer(user: User, server: Recorder) -> None:
    """Until the sender has dealt with the answer, which it logs at the very last."""
    until(lambda: server.requests)
    until(lambda: len(log.read(user.where)) == len(server.requests))


@pytest.mark.slow
@pytest.mark.parametrize("status", [307, 408, 425, 502])  # test_network_faults.py has others
@needs_proc
def test_an_answer_that_may_change_lets_the_events_wait_again_and_pauses(
    user: User, server: Recorder, status: int
) -> None:
    server.status = status
    server.headers = {"Location": f"{server.url}/elsewhere"} if status < 400 else {}
    user.run("hello")
    wait_for_answer(user, server)
    until(lambda: not user.senders())
    pause = breakers.only(user.where).not_before - time.time()
    assert 50 < pause <= 60
    sent = [item["messageId"] for item in server.events]
    assert user.message_ids() == sent
    user.run("hello")
    assert user.senders() == []
    assert [request.path for request in server.requests] == ["/v1/batch"], "one attempt, and no redirect followed"


@needs_proc
def test_after_the_pause_all_that_waits_is_sent_with_the_ids_it_had(user: User, server: Recorder) -> None:
    server.status = 503
    user.run("hello")
    wait_for_answer(user, server)
    until(lambda: not user.senders())
    server.status = 200
    breakers.end_pauses(user.where)
    user.run("hello")
    events = server.wait(events=3)
    assert [item["messageId"] for item in events].count(events[0]["messageId"]) == 2
    until(lambda: not user.kept())
    until(lambda: not os.path.exists(user.where.breaker))


@needs_proc
def test_each_failure_doubles_the_pause(user: User, server: Recorder) -> None:
    server.status = 503
    for attempt, pause in ((1, 60), (2, 120), (3, 240)):
        user.run("hello")
        until(lambda attempt=attempt: len(log.read(user.where)) == attempt)  # type: ignore[misc]
        until(lambda: not user.senders())
        known = breakers.only(user.where)
        assert known.failures == attempt
        assert pause - 10 < known.not_before - time.time() <= pause
        breakers.end_pauses(user.where)


@needs_proc
def test_a_pause_that_the_server_asks_for_is_kept(user: User, server: Recorder) -> None:
    server.status, server.headers = 429, {"Retry-After": "7200"}
    user.run("hello")
    wait_for_answer(user, server)
    assert 7100 < breakers.only(user.where).not_before - time.time() <= 7200
    assert len(user.waiting()) == 1


@needs_proc
def test_gone_stops_for_good_until_the_host_is_upgraded(user: User, server: Recorder) -> None:
    spool = Spool(user.where.spool)
    for _ in range(BATCH_EVENTS + 10):  # more than are claimed at once
        waiting = event.build("report_exported", {}, client_id="1-2", context={}, now=time.time())
        spool.append(event.encode(waiting).encode())
    server.status = 410
    user.run("hello")
    wait_for_answer(user, server)
    until(lambda: not user.senders())
    assert user.kept() == []
    server.status = 200
    user.run("hello")
    assert user.senders() == []
    assert len(server.requests) == 1
    user.run("hello", HOST_VERSION="1.2.4")
    until(lambda: len(server.requests) == 2)


@pytest.mark.slow
@needs_proc
@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_the_server_refuses_is_dropped_and_the_next_is_sent_after_a_pause(
    user: User, server: Recorder, status: int
) -> None:
    """A pause, because it may refuse the next and all others too."""
    server.status = status
    user.run("hello")
    wait_for_answer(user, server)
    assert user.kept() == []
    assert log.read(user.where)[0]["delivery"] == "REJECTED"
    until(lambda: not user.senders())
    user.run("hello")
    assert user.senders() == []
    server.status = 200
    breakers.end_pauses(user.where)
    user.run("hello")
    assert len(server.wait(events=3)) == 3
    until(lambda: not os.path.exists(user.where.breaker))


@needs_proc
def test_what_was_delivered_is_not_sent_again_where_the_log_cannot_be_written(user: User, server: Recorder) -> None:
    os.mkdir(user.where.log)
    user.run("hello")
    assert len(server.wait(events=1)) == 1
    until(lambda: not user.claimed() and not os.path.exists(user.where.breaker))
    user.run("hello")
    assert len({item["messageId"] for item in server.wait(events=2)}) == len(server.events) == 2


@needs_proc
def test_without_a_destination_the_events_wait_and_senders_grow_rare(user: User, server: Recorder) -> None:
    text = user.manifest.read_text(encoding="utf-8")
    user.manifest.write_text(re.sub(r"\[\[sinks]].*?\n\n", "", text, flags=re.DOTALL), encoding="utf-8")
    del user.environ["CLI_ANALYTICS_ENDPOINT"]
    user.inform()
    user.run("hello")
    until(lambda: os.path.exists(user.where.breaker) and not user.senders())
    assert len(user.waiting()) == 1
    assert breakers.only(user.where).failures == 1
    assert server.requests == []


@needs_proc
def test_an_off_takes_effect_while_the_sender_lives(user: User, server: Recorder) -> None:
    user.run("hello")
    assert server.wait(events=1)
    until(lambda: not user.claimed())
    assert user.senders()
    Path(user.where.choice).write_text("off\n", encoding="ascii")
    spool = Spool(user.where.spool)
    spool.append(b"{}")
    until(lambda: not user.senders(), seconds=10)
    assert len(server.requests) == 1
    assert len(user.appended()) == 1, "nobody has touched it"


@needs_proc
def test_what_the_manifest_does_not_declare_stays_here(user: User, server: Recorder) -> None:
    spool = Spool(user.where.spool)
    context = {"ip": "192.0.2.7", "host": SECRET, "os": {"name": "Linux", "home": SECRET}, "app": SECRET}
    for name, properties in (
        ("report_exported", {"format": SECRET, "rows": 12, "path": SECRET}),
        ("path_opened", {"path": SECRET}),
    ):
        built = event.build(name, properties, client_id="1-2", context=context, now=time.time())
        spool.append(event.encode({**built, "userId": SECRET, SECRET: SECRET}).encode())
    for broken in (b"{", b"[]", b'"x"', b"\xff\xfe", b'{"event": []}', b'{"type": "track", "event": {}}'):
        spool.append(broken)
    user.run("hello")
    until(lambda: server.requests and not user.claimed() and not user.waiting())
    assert SECRET not in "".join(request.text for request in server.requests)
    exported = next(item for item in server.events if item["event"] == "report_exported")
    assert exported["properties"] == {"rows": "10-99"}
    assert exported["context"] == {"ip": "0.0.0.0", "os": {"name": "Linux"}}
    assert len(server.events) == 2


@needs_proc
def test_a_file_that_no_parser_can_read_does_not_keep_the_others_here(user: User, server: Recorder) -> None:
    Spool(user.where.spool).append(b"[" * 30_000)
    user.run("hello")
    assert len(server.wait(events=1, seconds=3)) == 1
    until(lambda: not user.claimed() and not user.waiting(), seconds=3)


@needs_proc
def test_the_number_of_dropped_events_travels_once(user: User, server: Recorder) -> None:
    spool = Spool(user.where.spool)
    spool.append(b"{}")
    [waiting] = user.waiting()
    too_old = int((time.time() - MAX_AGE_SECONDS - 60) * 1000)
    waiting.rename(waiting.with_name(f"{too_old:013d}-{waiting.name.split('-', 1)[1]}"))
    server.status = 503
    user.run("hello")
    wait_for_answer(user, server)
    until(lambda: not user.senders())
    breakers.end_pauses(user.where)
    server.status = 200
    user.run("hello")
    server.wait(events=3)
    user.run("hello")
    server.wait(events=4)
    batches = [[item["context"].get("dropped_events") for item in request.events] for request in server.requests]
    assert batches[0] == [1], "an attempt that failed"
    assert sum(dropped or 0 for batch in batches[1:] for dropped in batch) == 1


@needs_proc
def test_a_manifest_that_broke_meanwhile_sends_nothing(user: User, server: Recorder) -> None:
    user.manifest.write_text(MANIFEST.replace("schema = 1", "schema = 2"), encoding="utf-8")
    Spool(user.where.spool).append(b"{}")
    user.run("hello")
    assert user.senders() == []
    assert server.requests == []


@needs_proc
def test_with_an_endpoint_that_is_none_nothing_is_sent_and_the_events_wait(user: User, server: Recorder) -> None:
    user.run("hello", CLI_ANALYTICS_ENDPOINT="http://collect.invalid")
    until(lambda: not user.senders() and user.waiting())
    assert server.requests == []


@needs_proc
def test_a_script_beside_the_host_is_not_taken_for_a_package(user: User, server: Recorder) -> None:
    ran = user.folder / "ran"
    for name in ("requests", "gzip", "delivery"):
        (user.host.parent / f"{name}.py").write_text(f"open({str(ran)!r}, 'w').close()\n", encoding="utf-8")
    user.run("hello")
    assert len(server.wait(events=1)) == 1
    assert not ran.exists()


@needs_proc
def test_an_off_while_the_server_answers_leaves_no_log_and_no_pause(user: User, server: Recorder) -> None:
    server.answering.clear()
    user.run("hello")
    until(lambda: server.requests)
    assert user.run("analytics", "off").returncode == 0
    server.answering.set()
    until(lambda: not user.senders())
    assert not os.path.exists(user.where.log)
    assert user.kept() == []
    assert not os.path.exists(user.where.breaker)
