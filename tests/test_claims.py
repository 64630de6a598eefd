"""A sender's right to events: what each sink still has to get, what a dead sender held, and what is no event at all."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from pathlib import Path

import pytest
from queues import ONE, THREE, TWO, backdate, deliver, fill, fill_and_drop
from writers import contents, start_writers

from cli_analytics.claims import MAX_AGE_SECONDS, Claims
from cli_analytics.drafts import OLD_SECONDS
from cli_analytics.spool import BATCH_EVENTS, Spool
from cli_analytics.storage import StorageError

YEAR = 365 * 24 * 3600


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(str(tmp_path / "state" / "spool"))


def test_what_is_claimed_stays_the_sinks_until_it_is_done(spool: Spool) -> None:
    spool.append(b"one")
    claims = Claims(spool, ONE)
    [(name, content)] = claims.claim(ONE[0])
    assert (content, spool.waiting()) == (b"one", [])
    assert claims.claim(ONE[0]) == Claims(spool, ONE).claim(ONE[0]) == [(name, b"one")]
    assert not spool.is_empty()
    assert claims.wants(ONE[0])
    claims.done(ONE[0], name)
    assert spool.is_empty()
    assert not claims.wants(ONE[0])


@pytest.mark.parametrize("sinks", [TWO, THREE])
def test_each_sink_gets_each_event_once(spool: Spool, sinks: list[str]) -> None:
    expected = fill(spool, 5)
    claims = Claims(spool, sinks)
    assert [deliver(claims, sink) for sink in sinks] == [expected] * len(sinks)
    assert spool.is_empty()
    assert [deliver(claims, sink) for sink in sinks] == [[]] * len(sinks)


@pytest.mark.parametrize("sinks", [TWO, THREE])
def test_a_sink_that_fails_neither_blocks_nor_doubles_another(spool: Spool, sinks: list[str]) -> None:
    claims, failing, expected = Claims(spool, sinks), sinks[1], []
    for _ in range(4):
        new = fill(spool, 3)
        expected += new
        assert contents(claims.claim(failing)), "and fails"
        for sink in set(sinks) - {failing}:
            assert deliver(claims, sink) == new
            assert not claims.wants(sink)
    assert claims.wants(failing)
    assert deliver(claims, failing) == expected
    assert [claims.dropped(sink) for sink in sinks] == [0] * len(sinks)
    assert spool.is_empty()


def test_a_new_sink_gets_what_comes_and_nothing_of_what_waits_for_another(spool: Spool) -> None:
    before = fill(spool, 3)
    Claims(spool, ONE).claim(ONE[0])
    after = fill(spool, 2)
    claims = Claims(spool, THREE)
    assert [deliver(claims, sink) for sink in THREE] == [before + after, after, after]


@pytest.mark.parametrize("sinks", [["new"], ["new", "newer"], ["newer", ONE[0], "new"]])
def test_a_sink_that_is_no_more_hands_its_queue_to_who_is_new_and_to_nobody_who_had_one(
    spool: Spool, sinks: list[str]
) -> None:
    waiting = fill(spool, 3)
    old = Claims(spool, TWO)
    old.claim(TWO[1])
    if ONE[0] in sinks:
        deliver(old, ONE[0])
    fill_and_drop(spool)
    fresh = fill(spool, 2)
    claims = Claims(spool, sinks)
    claims.prepare()
    expected = {sink: fresh if sink == ONE[0] else waiting + fresh for sink in sinks}
    assert {sink: deliver(claims, sink) for sink in sinks} == expected
    assert [claims.dropped(sink) for sink in sinks] == [1] * len(sinks)
    assert sorted(os.listdir(spool.path("claimed"))) == sorted(sinks)
    assert spool.is_empty()


def test_where_nobody_is_new_the_queue_of_a_sink_that_is_no_more_is_forgotten(spool: Spool) -> None:
    fill(spool, 3)
    claims = Claims(spool, TWO)
    claims.claim(TWO[0])
    deliver(claims, TWO[0])
    Claims(spool, TWO[:1]).prepare()
    assert spool.is_empty()
    assert os.listdir(spool.path("claimed")) == TWO[:1]


def test_a_sink_that_is_gone_gets_nothing_any_more_and_the_others_do(spool: Spool) -> None:
    expected = fill(spool, 3)
    claims = Claims(spool, THREE)
    claims.claim(THREE[0])
    claims.clear(THREE[1])
    expected += fill(spool, 2)
    assert [deliver(claims, sink) for sink in (THREE[0], THREE[2])] == [expected] * 2
    assert not list(Path(spool.path("claimed")).glob(f"{THREE[1]}/*"))
    assert spool.is_empty()


def test_events_that_are_too_old_are_dropped_and_counted_by_each_sink_that_has_not_got_them(spool: Spool) -> None:
    claims = Claims(spool, TWO)
    fill(spool, 1, "old in the queue")
    claims.claim(TWO[0])
    deliver(claims, TWO[1])
    backdate(spool.path("claimed", TWO[0]), MAX_AGE_SECONDS + 60)
    fill(spool, 1, "old")
    backdate(spool.path("new"), MAX_AGE_SECONDS + 60)
    young = fill(spool, 1, "young")
    assert [deliver(claims, sink) for sink in TWO] == [young, young]
    assert [claims.dropped(sink) for sink in TWO] == [2, 1]


def test_the_number_of_dropped_events_reaches_each_sink_exactly_once(spool: Spool) -> None:
    claims = Claims(spool, THREE)
    for number in range(1, 4):
        fill(spool, 1)
        fill_and_drop(spool)
        for sink in THREE[1:]:
            deliver(claims, sink)
            assert (claims.dropped(sink), claims.dropped(sink)) == (1, 1), "not told of yet"
            claims.told(sink)
            assert claims.dropped(sink) == 0
        deliver(claims, THREE[0])
        assert Claims(spool, THREE).dropped(THREE[0]) == number, "it is told of nothing"


def test_what_is_too_much_for_a_sink_that_fails_is_its_own_loss(spool: Spool) -> None:
    claims = Claims(spool, TWO)
    failing, other = TWO
    sent, expected = [], []
    for _ in range(4):
        expected += fill(spool, 200)
        sent += deliver(claims, other)
        claims.claim(failing)
    assert sent == expected
    assert (claims.dropped(failing), claims.dropped(other)) == (800 - BATCH_EVENTS, 0)
    assert deliver(claims, failing) == expected[-BATCH_EVENTS:], "the newest are kept"


@pytest.mark.parametrize("years", [-1, 0, 1])
@pytest.mark.parametrize("place", ["", ONE[0]], ids=["being handed out", "in the queue"])
def test_a_claim_that_lost_its_sender_waits_again_at_once_whatever_the_clock_says(
    spool: Spool, years: int, place: str
) -> None:
    spool.append(b"one")
    [(name, _)] = Claims(spool, ONE).claim(ONE[0])
    path = spool.path("claimed", place, name)
    os.rename(spool.path("claimed", ONE[0], name), path)
    os.utime(path, (time.time() + years * YEAR,) * 2)
    its_successor = Claims(spool, ONE)
    its_successor.prepare()
    assert its_successor.wants(ONE[0])
    assert its_successor.claim(ONE[0]) == [(name, b"one")]
    its_successor.done(ONE[0], name)
    assert its_successor.claim(ONE[0]) == []


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
    assert contents(Claims(spool, ONE).claim(ONE[0])) == [b"one"]
    assert os.listdir(spool.path("tmp")) == ["new"]


@pytest.mark.parametrize("sinks", [ONE, TWO])
@pytest.mark.parametrize("age", [0, MAX_AGE_SECONDS + 60])
@pytest.mark.parametrize("place", ["new", "claimed", f"claimed/{ONE[0]}"])
def test_what_is_no_file_does_not_keep_the_others_here(spool: Spool, sinks: list[str], age: int, place: str) -> None:
    now = int(time.time() - age) * 1000
    Claims(spool, sinks).prepare()
    spool.append(b"one")
    os.mkdir(spool.path(place, f"{now}-folder-5.json"))
    os.symlink("loop", spool.path(place, f"{now}-loop-5.json"))
    os.symlink(f"{now}-loop-5.json", spool.path(place, "loop"))
    os.mkfifo(spool.path(place, f"{now}-pipe-5.json"))
    claims = Claims(spool, sinks)
    for sink in sinks:
        assert [content for content in deliver(claims, sink) if content] == [b"one"]
    assert spool.is_empty()
    assert [claims.claim(sink) for sink in sinks] == [[]] * len(sinks)


@pytest.mark.parametrize("sinks", [ONE, TWO])
def test_a_folder_in_place_of_the_number_of_dropped_events_counts_none(spool: Spool, sinks: list[str]) -> None:
    for _ in range(2):
        os.makedirs(spool.path("dropped"))
        fill(spool, 1)
        claims = Claims(spool, sinks)
        for sink in sinks:
            assert len(deliver(claims, sink)) == 1
            assert claims.dropped(sink) == 0
            claims.told(sink)
            assert claims.dropped(sink) == 0
    fill_and_drop(spool)
    fill(spool, 1)
    for sink in sinks:
        assert len(deliver(claims, sink)) == 1
        assert claims.dropped(sink) == 1, "the next ones are counted"


def test_a_file_in_place_of_a_queue_is_an_error_and_nothing_is_lost(spool: Spool) -> None:
    expected = fill(spool, 2)
    Path(spool.path("claimed", TWO[1])).write_bytes(b"")
    with pytest.raises((StorageError, OSError), match=TWO[1]):
        Claims(spool, TWO).claim(TWO[0])
    os.unlink(spool.path("claimed", TWO[1]))
    claims = Claims(spool, TWO)
    assert [deliver(claims, sink) for sink in TWO] == [expected] * 2


@pytest.mark.parametrize("sinks", [ONE, TWO])
@pytest.mark.parametrize("place", ["claimed", f"claimed/{ONE[0]}", "tmp", "new", ""])
def test_a_folder_that_somebody_deleted_is_made_anew(spool: Spool, sinks: list[str], place: str) -> None:
    claims = Claims(spool, sinks)
    for _ in range(2):  # before the first event, and after it
        shutil.rmtree(spool.path(place), ignore_errors=True)
        assert [claims.claim(sink) for sink in sinks] == [[]] * len(sinks)
        expected = fill(spool, 2)
        assert [deliver(claims, sink) for sink in sinks] == [expected] * len(sinks)


@pytest.mark.parametrize("sinks", [ONE, THREE])
def test_what_is_the_senders_is_the_users_alone(spool: Spool, sinks: list[str]) -> None:
    fill(spool, 1)
    fill_and_drop(spool)
    claims = Claims(spool, sinks)
    claims.claim(sinks[0])
    backdate(spool.path("claimed", sinks[0]), MAX_AGE_SECONDS + 60)
    claims.claim(sinks[0])
    found = [path for path in Path(spool.folder).rglob("*") if path.parent.name in sinks or path.is_dir()]
    assert [path for path in found if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in found if path.is_dir()} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in found if path.is_file()} == {0o600}


def test_fifty_writers_at_once_lose_and_double_nothing_while_senders_come_and_go(spool: Spool) -> None:
    claimed: dict[str, list[bytes]] = {sink: [] for sink in TWO}
    ended = threading.Event()

    def claim() -> None:
        while True:
            was_ended = ended.is_set()
            for sink in TWO:
                Claims(spool, TWO).claim(sink)  # and dies with them
            claims = Claims(spool, TWO[::-1])
            taken = {sink: deliver(claims, sink) for sink in TWO}
            for sink in TWO:
                claimed[sink].extend(taken[sink])
            if was_ended and not any(taken.values()):
                return

    claimer = threading.Thread(target=claim)
    writers = start_writers(spool, 50, 10)
    claimer.start()
    assert [writer.wait(60) for writer in writers] == [0] * 50
    ended.set()
    claimer.join(60)
    for sink in TWO:
        found = [(event["from"], event["number"]) for event in map(json.loads, claimed[sink])]
        assert len(found) == 500
        assert len(set(found)) == 500
        assert Claims(spool, TWO).dropped(sink) == 0
    assert spool.is_empty()
