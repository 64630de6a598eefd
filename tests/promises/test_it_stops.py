"""Promise 8, it stops: an endpoint that is gone costs next to nothing, one that says so nothing; no sender lives on.

Real senders meet real servers on loopback. What is simulated is the time between two runs: see days.py. The runs of
these months are recorded by one real host object in this process, each as a run of its own would.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import audit
import breakers
import pytest
from days import Calendar
from faults import bare, has_ended, inform, run
from network import Faulty, black_hole, faulty
from resolver import can_enter, resolver
from support import User, user_at
from watch import needs_proc, until

from cli_analytics import Analytics, breaker, log, sender
from cli_analytics.spool import Spool

pytestmark = needs_proc

Figure = Callable[[str, object], None]
ELSEWHERE = "https://collect.example.test"
RUNS_A_DAY = 100
BETWEEN_RUNS = 86_400 / RUNS_A_DAY
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
GONE = b"HTTP/1.1 410 Gone\r\n\r\n"
DEAD = [
    *(b"", b"220 mail.example.org ESMTP\r\n"),
    *(f"HTTP/1.1 {status} No\r\n\r\n".encode() for status in (302, 400, 401, 404, 405, 500, 503)),
]


class Tool:
    """A host that is run again and again, in one or another version, at an endpoint that may die."""

    def __init__(self, user: User, server: Faulty) -> None:
        self.user = user
        self.server = server
        self.calendar = Calendar(user.where)
        user.environ["CLI_ANALYTICS_ENDPOINT"] = server.url
        inform(user)

    def record(self, version: str = "1.2.3") -> None:
        """One run."""
        host = Analytics(
            "mytool", version=version, manifest=self.user.manifest, record_in_tests=True, environ=self.user.environ
        )
        host.record("report_exported", format="csv", rows=7)

    def run(self, version: str = "1.2.3") -> None:
        """One run, and all that it has started."""
        before = self.server.connections
        is_due = breaker.read(self.user.where).due(version)
        self.record(version)
        if is_due:
            until(lambda: self.server.connections > before and not sender.is_alive(self.user.where))

    def run_for(self, days: float, *versions: str) -> None:
        for number in range(round(days * RUNS_A_DAY)):
            self.calendar.let_pass(BETWEEN_RUNS)
            self.run(*versions[number % len(versions) : number % len(versions) + 1] if versions else ())


@pytest.fixture
def tool(tmp_path: Path) -> Iterator[Tool]:
    with faulty(Faulty(OK)) as server, user_at(tmp_path) as user:
        yield Tool(user, server)


@pytest.mark.slow
def test_a_month_of_a_dead_endpoint_costs_at_most_sixty_attempts(tool: Tool, record_property: Figure) -> None:
    """Each attempt finds it dead in another way. Once it lives again it is found to, within a day."""
    for _ in range(30 * RUNS_A_DAY):
        tool.server.head = DEAD[tool.server.connections % len(DEAD)]
        tool.run_for(1 / RUNS_A_DAY)
    attempts = tool.server.connections
    record_property("figure", f"dead for a month, 100 runs a day: {attempts} attempts to connect")
    assert 30 <= attempts <= 60
    assert breakers.only(tool.user.where).failures == attempts
    tool.server.head = OK
    tool.calendar.let_pass(86_400)
    tool.record()
    until(lambda: not os.path.exists(tool.user.where.breaker) and not tool.user.kept())


@pytest.mark.slow
def test_after_gone_there_is_no_attempt_and_no_event_until_the_version_changes(
    tool: Tool, record_property: Figure
) -> None:
    tool.server.head = GONE
    tool.run()
    assert tool.server.connections == 1
    tool.run_for(30)
    record_property("figure", f"a month after 410, 100 runs a day: {tool.server.connections - 1} attempts to connect")
    assert tool.server.connections == 1
    assert tool.user.kept() == []
    tool.server.head = OK
    tool.record("1.2.4")
    until(lambda: len(tool.server.requests) == 2)
    assert tool.server.message_ids[0] != tool.server.message_ids[1]


def test_two_versions_used_in_turn_are_told_once_each(tool: Tool) -> None:
    tool.server.head = GONE
    tool.run_for(1, "1.2.3", "1.2.4", "2.0 beta 1")
    assert tool.server.connections == 3


@pytest.mark.parametrize("then", [b"HTTP/1.1 503 No\r\n\r\n", b""])
def test_a_version_that_was_told_stays_so_while_another_one_tries(tool: Tool, then: bytes) -> None:
    tool.server.head = GONE
    tool.run()
    tool.server.head = then
    tool.run("1.2.4")
    tool.calendar.let_pass(61)
    tool.run()
    assert tool.server.connections == 2


def test_after_the_end_date_there_is_no_attempt_and_no_event(tool: Tool, record_property: Figure) -> None:
    tool.server.head = b"HTTP/1.1 503 No\r\n\r\n"
    tool.run()
    ended = date.today() - timedelta(days=2)  # in any time zone
    text = tool.user.manifest.read_text(encoding="utf-8")
    tool.user.manifest.write_text(text.replace("[policy]", f"[policy]\nends = {ended}"), encoding="utf-8")
    waiting = tool.user.kept()
    for _ in range(30):
        tool.calendar.let_pass(86_400)
        tool.record()
        assert not sender.is_alive(tool.user.where)
    record_property("figure", f"a month after the end date: {tool.server.connections - 1} attempts to connect")
    assert tool.server.connections == 1
    assert len(tool.user.kept()) == len(waiting) == 1


@pytest.mark.parametrize("command", ["export 7", "flush"])
def test_a_debugged_run_prints_and_sends_nothing_not_even_what_waits(tool: Tool, command: str) -> None:
    Spool(tool.user.where.spool).append(b"{}")
    done = subprocess.run(
        audit.command(tool.user.host, *command.split()),
        env={**tool.user.environ, "CLI_ANALYTICS_DEBUG": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    assert ("report_exported" in done.stderr) == (command == "export 7")
    assert audit.result(done.stdout).of(audit.SOCKETS) == []
    until(lambda: not tool.user.senders())
    assert tool.server.connections == 0
    assert len(tool.user.appended()) == 1


class Slow(NamedTuple):
    """A fault that takes a sender long, which gives up in the end or has to be killed."""

    endpoint: str
    is_killed: bool = False
    proxy: str = ""
    prefix: Sequence[str] = ()  # of the command that runs the host


@contextlib.contextmanager
def slow_faults(folder: Path) -> Iterator[dict[str, Slow]]:
    head = b"HTTP/1.1 200 OK\r\nX: "
    with contextlib.ExitStack() as stack:

        def serve(server: Faulty) -> str:
            return stack.enter_context(faulty(server)).url

        def drip(head: bytes, byte: bytes) -> str:
            return serve(Faulty(head, byte, pause=0.1))

        faults = {
            "it accepts and never answers": Slow(serve(Faulty(hangs=True))),
            "it never shakes hands": Slow(serve(Faulty(reads=False, hangs=True)).replace("http", "https")),
            "it never lets anybody in": Slow(stack.enter_context(black_hole())),
            "a proxy that never answers": Slow(ELSEWHERE, proxy=serve(Faulty(hangs=True))),
            "a header, a byte at a time": Slow(drip(head, b"x"), is_killed=True),
            "a status, a byte at a time": Slow(drip(b"HTTP/1.1 ", b"2"), is_killed=True),
            "'continue' again and again": Slow(drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), is_killed=True),
            "a proxy, a byte at a time": Slow(ELSEWHERE, is_killed=True, proxy=drip(head, b"x")),
        }
        if can_enter():
            prefix = stack.enter_context(resolver(silent=True)).enter(folder)
            faults["a name server that never answers"] = Slow(ELSEWHERE, is_killed=True, prefix=prefix)
        yield faults


@pytest.mark.slow
def test_no_fault_keeps_a_sender_for_thirty_seconds(tmp_path: Path, record_property: Figure) -> None:
    """All at once, so that the test takes no longer than one of them."""
    began: dict[str, float] = {}
    lasted: dict[str, float] = {}
    with slow_faults(tmp_path) as faults, contextlib.ExitStack() as stack:
        users = {name: stack.enter_context(user_at(tmp_path / name)) for name in faults}
        for name, fault in faults.items():
            user = users[name]
            user.environ.update(CLI_ANALYTICS_ENDPOINT=fault.endpoint, HTTPS_PROXY=fault.proxy)
            inform(user)
            began[name] = time.monotonic()
            assert run(user, fault.prefix) == bare(), name
        while len(lasted) < len(faults):
            time.sleep(0.1)
            for name in faults.keys() - lasted.keys():
                if has_ended(users[name]):
                    lasted[name] = time.monotonic() - began[name]
            assert time.monotonic() - max(began.values()) < 60, faults.keys() - lasted.keys()
        gave_up = {name: [entry["delivery"] for entry in log.read(user.where)] for name, user in users.items()}
        kept = {name: len(user.kept()) for name, user in users.items()}
        pauses = {breakers.only(user.where).failures for user in users.values()}
    longest = max(lasted, key=lambda name: lasted[name])
    left_out = "" if can_enter() else ", DNS left out, for it takes root"
    figure = f"{len(faults)} faults{left_out}: the longest sender lived {lasted[longest]:.1f} s ({longest})"
    record_property("figure", figure)
    assert lasted[longest] < 30
    assert gave_up == {name: [] if fault.is_killed else ["RETRY"] for name, fault in faults.items()}
    assert kept == dict.fromkeys(faults, 1)
    assert pauses == {1}
