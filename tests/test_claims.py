"""A sender's right to events: what it holds, what a dead one held, and what is no event at all."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest
from writers import contents, start_writers

from cli_analytics.claims import MAX_AGE_SECONDS, Claims
from cli_analytics.drafts import OLD_SECONDS
from cli_analytics.spool import Spool

YEAR = 365 * 24 * 3600


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(str(tmp_path / "state" / "spool"))


def backdate(spool: Spool, name: str, seconds: float) -> None:
    """Let an event be that much older."""
    milliseconds, rest = name.split("-", 1)
    os.rename(spool.path("new", name), spool.path("new", f"{int(milliseconds) - int(seconds * 1000):013d}-{rest}"))


def test_what_is_claimed_is_claimed_once_until_it_is_released(spool: Spool) -> None:
    spool.append(b"one")
    claims = Claims(spool)
    [(name, content)] = claims.claim(10)
    assert (content, claims.claim(10)) == (b"one", [])
    assert not spool.is_empty()
    claims.release(name)
    assert contents(claims.claim(10)) == [b"one"]
    claims.done(name)
    assert spool.is_empty()


def test_events_that_are_too_old_are_dropped_and_counted(spool: Spool) -> None:
    spool.append(b"old")
    backdate(spool, spool.waiting()[0], MAX_AGE_SECONDS + 60)
    spool.append(b"young")
    claims = Claims(spool)
    assert contents(claims.claim(10)) == [b"young"]
    assert claims.claim_dropped() == 1


@pytest.mark.parametrize("years", [-1, 0, 1])
def test_a_claim_that_lost_its_sender_waits_again_at_once_whatever_the_clock_says(spool: Spool, years: int) -> None:
    spool.append(b"one")
    [(name, _)] = Claims(spool).claim(10)
    os.utime(spool.path("claimed", name), (time.time() + years * YEAR,) * 2)
    its_successor = Claims(spool)
    assert its_successor.claim(10) == [(name, b"one")]
    assert its_successor.claim(10) == [], "it is his now"


@pytest.mark.parametrize("years", [-1, 1])
def test_a_draft_whose_writer_was_killed_is_removed_and_a_new_one_is_not(spool: Spool, years: int) -> None:
    spool.append(b"one")
    for name, seconds in (
        ("new", -OLD_SECONDS + 60),
        ("old", -OLD_SECONDS - 60),
        ("of another clock", years * YEAR),
    ):
        Path(spool.path("tmp", name)).write_bytes(b'{"half": ')
        os.utime(spool.path("tmp", name), (time.time() + seconds,) * 2)
    assert contents(Claims(spool).claim(10)) == [b"one"]
    assert os.listdir(spool.path("tmp")) == ["new"]


@pytest.mark.parametrize("age", [0, MAX_AGE_SECONDS + 60])
def test_what_is_no_file_does_not_keep_the_others_here(spool: Spool, age: int) -> None:
    now = int(time.time() - age) * 1000
    spool.append(b"one")
    os.mkdir(spool.path("new", f"{now}-folder-5.json"))
    os.symlink("loop", spool.path("new", f"{now}-loop-5.json"))
    os.symlink(f"{now}-loop-5.json", spool.path("new", "loop"))
    os.mkfifo(spool.path("new", f"{now}-pipe-5.json"))
    claims = Claims(spool)
    claimed = claims.claim(10)
    assert [content for content in contents(claimed) if content] == [b"one"]
    for name, _ in claimed:
        claims.done(name)
    assert spool.is_empty()
    assert claims.claim(10) == []


def test_a_folder_in_place_of_the_number_of_dropped_events_counts_none(spool: Spool) -> None:
    spool.append(b"one")
    os.mkdir(spool.path("dropped"))
    claims = Claims(spool)
    assert claims.claim_dropped() == 0
    claims.done_dropped()
    assert claims.claim_dropped() == 0


def test_fifty_writers_at_once_lose_and_double_nothing_while_senders_come_and_go(spool: Spool) -> None:
    claimed: list[bytes] = []
    ended = threading.Event()

    def claim() -> None:
        while True:
            was_ended = ended.is_set()
            Claims(spool).claim(30)  # and dies with them
            claims = Claims(spool)
            taken = claims.claim(50)
            claimed.extend(contents(taken))
            for name, _ in taken:
                claims.done(name)
            if was_ended and not taken:
                return

    claimer = threading.Thread(target=claim)
    writers = start_writers(spool, 50, 10)
    claimer.start()
    assert [writer.wait(60) for writer in writers] == [0] * 50
    ended.set()
    claimer.join(60)
    found = [(event["from"], event["number"]) for event in map(json.loads, claimed)]
    assert len(found) == 500
    assert len(set(found)) == 500
    assert spool.is_empty()
    assert Claims(spool).claim_dropped() == 0
