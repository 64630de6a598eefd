"""A clock that jumps by a year between two runs: recording and sending go on, and every event arrives or is counted.

The clock of the machine is left alone. Instead the files are given the times and names that a clock which was a year
off would have given them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import breakers
import pytest
from recorder import Recorder, recorder
from senders import kill_senders, let_pauses_pass
from support import User, user_at
from watch import needs_proc, until

from cli_analytics import log

pytestmark = [needs_proc, pytest.mark.slow]

YEAR = 365 * 24 * 3600


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


def shift(user: User, years: int) -> None:
    """Let everything have been written by a clock that was so many years off."""
    seconds = years * YEAR
    state = Path(user.where.state)
    for name, number in (("breaker", r"(?<=: \d )\d+"), ("sender.lock", r"(?<= )\d{9,}(?= )")):
        path = state / name
        if path.exists():
            known = os.stat(path).st_mtime
            path.write_text(re.sub(number, lambda found: str(int(found[0]) + seconds), path.read_text()))
            os.utime(path, (known, known))
    for path in sorted(state.rglob("*"), reverse=True):
        if os.stat(path).st_mtime > YEAR:
            os.utime(path, (os.stat(path).st_mtime + seconds,) * 2)
        moment, _, rest = path.name.partition("-")
        if rest and moment.isdigit():
            path.rename(path.with_name(f"{int(moment) + seconds * 1000:013d}-{rest}"))


@pytest.mark.parametrize("years", [-1, 1])
def test_after_a_jump_what_waited_arrives_or_is_counted_and_the_next_events_arrive(
    user: User, server: Recorder, years: int
) -> None:
    server.status = 503
    for _ in range(3):
        user.run("hello")
    until(lambda: log.read(user.where) and not user.senders())
    assert breakers.only(user.where).failures == 1
    let_pauses_pass(user)
    server.answering.clear()
    user.run("hello")
    until(lambda: len(server.requests) == 2)
    kill_senders(user)
    assert user.claimed()
    assert len(user.kept()) == 4
    shift(user, years)

    server.requests.clear()
    server.status = 200
    server.answering.set()
    for number in range(3):
        assert user.run("hello").stdout == "hello\n"
        until(lambda number=number: len(server.events) > number)  # type: ignore[misc]
    until(lambda: not user.kept())
    ids = {event["messageId"] for event in server.events}
    dropped = sum(event["context"].get("dropped_events", 0) for event in server.events)
    assert len(ids) == len(server.events)
    assert (len(ids), dropped) == ((7, 0) if years > 0 else (3, 4)), "a year is too old to be sent"


@pytest.mark.parametrize("years", [-1, 1])
def test_a_pause_that_another_clock_has_begun_ends(user: User, server: Recorder, years: int) -> None:
    server.status = 503
    user.run("hello")
    until(lambda: log.read(user.where) and not user.senders())
    shift(user, years)
    server.status = 200
    server.requests.clear()
    user.run("hello")
    until(lambda: server.requests)


@pytest.mark.parametrize("years", [-1, 1])
def test_a_sender_that_another_clock_saw_alive_does_not_seem_so(user: User, server: Recorder, years: int) -> None:
    user.run("hello")
    until(lambda: log.read(user.where) and not user.kept() and breakers.only(user.where).failures == 0)
    kill_senders(user)
    shift(user, years)
    user.run("hello")
    assert len({event["messageId"] for event in server.wait(events=2)}) == 2
