"""The sender and its drain: real detached processes, a real server on loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import breakers
import pytest
from recorder import Recorder, recorder
from support import User, user_at
from watch import children_of, command_line, needs_proc, process_status, until

from cli_analytics import Analytics, drain, log

pytestmark = needs_proc


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


Endless = list[tuple[Recorder, User]]


@pytest.fixture(scope="module", autouse=True)
def endless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endless]:
    """Two senders whose servers say nothing at all, and one more byte for ever. They begin before all other tests."""
    with (
        recorder() as silent,
        recorder() as trickling,
        user_at(tmp_path_factory.mktemp("silent"), silent.url) as one,
        user_at(tmp_path_factory.mktemp("trickling"), trickling.url) as other,
    ):
        silent.answering.clear()
        trickling.trickles = True
        for user in (one, other):
            user.inform()
            user.run("hello")
        until(lambda: silent.requests and trickling.requests)
        yield [(silent, one), (trickling, other)]


def the_sender(user: User) -> int:
    """The one sender that is alive, once it is."""
    until(lambda: user.senders())
    [sender] = user.senders()
    return sender


def descriptors(pid: int) -> dict[int, str]:
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
        except FileNotFoundError:
            pass  # closed just now
    return found


def is_quiet(user: User) -> bool:
    """Whether the sender has ended, and nothing is left of what it had."""
    return not user.senders() and not user.claimed()


def test_it_holds_the_null_device_the_lock_and_nothing_of_its_hosts(user: User, server: Recorder) -> None:
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)
    with user.start("hello", stdout=subprocess.PIPE, close_fds=False) as host:
        os.close(write_end)
        assert host.wait(30) == 0
    assert server.wait(events=1)
    sender = the_sender(user)
    expected = {0: os.devnull, 1: os.devnull, 2: os.devnull, 3: user.where.sender_lock}
    until(lambda: descriptors(sender) == expected)
    assert os.read(read_end, 1) == b"", "nobody holds the other end of the caller's pipe"
    os.close(read_end)


def test_it_lives_in_the_root_in_a_session_of_its_own_and_is_nobodys_child(user: User, server: Recorder) -> None:
    with user.start("wait", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as host:
        assert host.stdout is not None
        assert host.stdin is not None
        host.stdout.readline()
        user.run("hello")
        assert server.wait(events=1)
        sender = the_sender(user)
        assert os.readlink(f"/proc/{sender}/cwd") == "/"
        until(lambda: process_status(sender)["session"] == sender)
        host.stdin.write("\n")


LIVING_HOST = """
import sys
from cli_analytics import Analytics

analytics = Analytics("mytool", version="1.2.3", manifest=sys.argv[1])
for line in sys.stdin:
    analytics.record("report_exported", format="csv", rows=int(line))
    print(line, flush=True)
"""


def test_a_host_that_lives_on_has_neither_child_nor_zombie(user: User, server: Recorder) -> None:
    user.host.write_text(LIVING_HOST, encoding="utf-8")
    with user.start(str(user.manifest), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as host:
        assert host.stdout is not None
        assert host.stdin is not None
        host.stdin.write("7\n")
        host.stdin.flush()
        host.stdout.readline()
        assert server.wait(events=1)
        sender = the_sender(user)
        assert process_status(sender)["parent"] != host.pid
        assert children_of(host.pid) == []
        os.kill(sender, signal.SIGKILL)
        until(lambda: not user.senders())
        assert children_of(host.pid) == []
        host.stdin.close()


def test_nothing_of_an_event_and_no_key_is_on_its_command_line(user: User, server: Recorder) -> None:
    user.run("export", "7")
    [event, *_] = server.wait(events=2)
    shown = command_line(the_sender(user))
    for secret in ("key-of-mytool", "report_exported", event["anonymousId"], event["messageId"]):
        assert secret not in shown


@pytest.mark.parametrize("redirect", ["", "2>&1"])
def test_a_caller_who_captures_the_output_does_not_wait_for_it(user: User, server: Recorder, redirect: str) -> None:
    server.answering.clear()
    script = f'out=$("$@" {redirect}); echo "<$out>"'
    done = subprocess.run(
        ["/bin/sh", "-c", script, "sh", *user.command, "hello"],
        env=user.environ,
        capture_output=True,
        text=True,
        timeout=8,
    )
    assert (done.returncode, done.stdout) == (0, "<hello>\n")
    until(lambda: server.requests)
    assert len(user.senders()) == 1, "it is still waiting for an answer"


def test_a_terminal_that_is_hung_up_does_not_end_it(user: User, server: Recorder) -> None:
    server.answering.clear()
    user.on_terminal("hello")
    until(lambda: server.requests)
    sender = the_sender(user)
    server.answering.set()
    until(lambda: not user.claimed())
    assert user.senders() == [sender]


def test_of_thirty_hosts_at_once_one_starts_a_sender_and_all_events_arrive_once(user: User, server: Recorder) -> None:
    hosts = [user.start("hello", stdout=subprocess.DEVNULL) for _ in range(30)]
    most = 0
    while any(host.poll() is None for host in hosts):
        most = max(most, len(user.senders()))
    events = server.wait(events=30)
    most = max(most, len(user.senders()))
    assert most == 1
    assert [host.returncode for host in hosts] == [0] * 30
    assert len({event["messageId"] for event in events}) == len(events) == 30
    assert len({event["anonymousId"] for event in events}) == 1


def test_while_it_waits_for_an_answer_no_second_one_is_started(user: User, server: Recorder) -> None:
    server.answering.clear()
    user.run("hello")
    until(lambda: server.requests)
    sender = the_sender(user)
    os.utime(user.where.sender_lock, (0, 0))  # it has not been heard of for long
    breakers.end_pauses(user.where)  # nor is there a pause
    user.run("hello")
    assert not until(lambda: user.senders() != [sender], seconds=1, must=False)
    server.answering.set()
    assert len(server.wait(events=2)) == 2


def test_events_that_come_while_it_lingers_are_sent_by_it(user: User, server: Recorder) -> None:
    user.run("hello")
    assert len(server.wait(events=1)) == 1
    sender = the_sender(user)
    user.run("hello")
    assert len(server.wait(events=2)) == 2
    assert user.senders() == [sender]


@pytest.mark.slow
def test_it_ends_by_itself_when_nothing_comes_any_more(user: User, server: Recorder) -> None:
    user.run("hello")
    assert server.wait(events=1)
    until(lambda: is_quiet(user), seconds=10)
    assert user.waiting() == []
    assert not os.path.exists(user.where.breaker)


def test_events_arrive_as_a_compressed_segment_batch(user: User, server: Recorder) -> None:
    user.run("export", "7")
    server.wait(events=2)
    request = server.requests[0]
    assert request.path == "/v1/batch"
    assert request.headers["Authorization"] == "Basic bXl0b29sOg=="  # "mytool:"
    assert (request.headers["Content-Encoding"], request.headers["Content-Type"]) == ("gzip", "application/json")
    assert request.headers["User-Agent"].startswith("cli-analytics/")
    assert set(json.loads(request.text)) == {"batch", "sentAt"}
    exported = next(event for event in server.events if event["event"] == "report_exported")
    assert exported["properties"] == {"format": "csv", "rows": "<10"}
    assert exported["context"]["ip"] == "0.0.0.0"


def test_the_log_holds_what_was_sent_byte_for_byte(user: User, server: Recorder) -> None:
    user.run("export", "7")
    server.wait(events=2)
    until(lambda: len(log.read(user.where)) == len(server.requests))
    entries = log.read(user.where)
    assert [entry["body"] for entry in entries] == [request.text for request in server.requests]
    assert sum(entry["events"] for entry in entries) == 2
    assert {(entry["to"], entry["status"], entry["delivery"]) for entry in entries} == {
        (f"{server.url}/v1/batch", 200, "DELIVERED")
    }


def test_after_a_kill_in_the_middle_the_event_is_sent_again_with_the_same_id(user: User, server: Recorder) -> None:
    server.answering.clear()
    user.run("hello")
    until(lambda: server.requests)
    [first] = server.events
    user.end()
    until(lambda: not user.senders())
    assert len(user.claimed()) == 1
    breakers.end_pauses(user.where)
    server.answering.set()
    user.run("hello")
    events = server.wait(events=3)
    assert [event["messageId"] for event in events].count(first["messageId"]) == 2
    assert len({event["messageId"] for event in events}) == 2
    until(lambda: not user.claimed())
    assert user.kept() == []


def test_a_flush_ends_when_what_waited_was_refused_for_good(user: User, server: Recorder) -> None:
    server.status = 400
    began = time.monotonic()
    user.run("hello")
    analytics = Analytics("mytool", version="1.2.3", manifest=user.manifest, record_in_tests=True, environ=user.environ)
    assert analytics.flush(20)
    assert time.monotonic() - began < 10
    assert user.kept() == []


@pytest.mark.slow
@pytest.mark.alone
def test_what_comes_while_an_old_one_waits_for_its_last_answer_is_sent_by_the_next(
    user: User, server: Recorder
) -> None:
    began = time.monotonic()
    while time.monotonic() < began + drain.LIFE_SECONDS - 2:
        user.run("hello")
        time.sleep(0.5)
    sender, received = the_sender(user), len(server.events)
    server.answering.clear()
    user.run("hello")
    until(lambda: len(server.events) == received + 1)
    user.run("hello")
    assert user.senders() == [sender]
    until(lambda: time.monotonic() > began + drain.LIFE_SECONDS + 1)
    server.answering.set()
    until(lambda: len(server.events) == received + 2)
    assert the_sender(user) != sender


@pytest.mark.slow
@pytest.mark.alone
def test_servers_that_never_come_to_an_end_keep_it_no_longer_than_thirty_seconds(endless: Endless) -> None:
    silent, trickling = endless
    until(lambda: not silent[1].senders() and not trickling[1].senders(), seconds=35)
    until(lambda: trickling[0].left_at)
    assert trickling[0].left_at - trickling[0].requests[0].at < 31, "ended by its deadline"
    assert os.stat(silent[1].where.log).st_mtime - silent[0].requests[0].at < 15, "ended by the limit for an answer"
    assert len(silent[1].waiting()) == 1, "waits again"
    assert len(trickling[1].claimed()) == 1, "waits for the next sender"
    assert breakers.only(silent[1].where).failures == breakers.only(trickling[1].where).failures == 1
