"""When is the next attempt to send due."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from breakers import only
from hypothesis import given, settings
from hypothesis import strategies as st

from cli_analytics import breaker, storage
from cli_analytics.breaker import LONGEST_PAUSE_SECONDS, Breaker
from cli_analytics.storage import Storage, StorageError

SINK = "segment-1a2b3c4d5e6f"
SINKS = (SINK,)
TWO = (SINK, "ga4-6f5e4d3c2b1a")


@pytest.fixture
def where(tmp_path: Path) -> Storage:
    return storage.locate("mytool", {"HOME": str(tmp_path)})


def pause(where: Storage) -> float:
    return only(where).not_before - time.time()


def test_where_there_is_none_an_attempt_is_due(where: Storage, tmp_path: Path) -> None:
    assert breaker.read(where).due("1.2.3")
    breaker.succeeded(where, SINKS, SINK)
    assert list(tmp_path.iterdir()) == []


def test_pauses_double_from_a_minute_to_a_day(where: Storage) -> None:
    expected = [min(60 * 2**number, LONGEST_PAUSE_SECONDS) for number in range(40)]
    for number, seconds in enumerate(expected, start=1):
        breaker.attempted(where, SINKS, SINK)
        assert seconds - 2 < pause(where) <= seconds
        assert only(where).failures == number
        assert not breaker.read(where).due("1.2.3")
    assert expected[-1] == LONGEST_PAUSE_SECONDS == 86_400


def test_a_dead_endpoint_sees_eleven_attempts_in_the_first_day_and_then_one_a_day(where: Storage) -> None:
    moments = [0.0]
    for _ in range(13):
        breaker.attempted(where, SINKS, SINK)
        moments.append(moments[-1] + pause(where) + 1)
    assert len([moment for moment in moments if moment < LONGEST_PAUSE_SECONDS]) == 11
    assert round(moments[-1] - moments[-2], -1) == LONGEST_PAUSE_SECONDS


def test_a_success_forgets_all_failures(where: Storage) -> None:
    breaker.attempted(where, SINKS, SINK)
    breaker.attempted(where, SINKS, SINK)
    breaker.succeeded(where, SINKS, SINK)
    assert not os.path.exists(where.breaker)
    breaker.attempted(where, SINKS, SINK)
    assert pause(where) <= 60


def test_after_the_pause_an_attempt_is_due(where: Storage) -> None:
    assert Breaker(1, int(time.time()) - 1).due("1.2.3")
    assert not Breaker(1, int(time.time()) + 30).due("1.2.3")


def test_a_pause_longer_than_any_is_of_a_clock_that_was_set_back() -> None:
    assert Breaker(1, int(time.time()) + LONGEST_PAUSE_SECONDS + 60).due("1.2.3")
    assert not Breaker(1, int(time.time()) + LONGEST_PAUSE_SECONDS - 60).due("1.2.3")


def test_a_wish_can_lengthen_the_pause_but_not_shorten_it(where: Storage) -> None:
    breaker.attempted(where, SINKS, SINK)
    breaker.postpone(where, SINKS, SINK, 3600)
    assert 3590 < pause(where) <= 3600
    breaker.postpone(where, SINKS, SINK, 1)
    assert 3590 < pause(where) <= 3600
    assert only(where).failures == 1


def test_a_wish_is_bounded_by_a_day(where: Storage) -> None:
    breaker.postpone(where, SINKS, SINK, 10**9)
    assert pause(where) <= LONGEST_PAUSE_SECONDS
    assert not breaker.read(where).due("1.2.3")


def test_gone_is_for_good_until_the_version_changes(where: Storage) -> None:
    breaker.attempted(where, SINKS, SINK)
    breaker.stop(where, SINKS, SINK, "1.2.3")
    assert not breaker.read(where).due("1.2.3")
    assert breaker.read(where).due("1.2.4")


def test_every_version_that_was_told_stays_so_until_an_attempt_goes_well(where: Storage) -> None:
    versions = ["1.2.3", "1.2.4", "", "2.0 beta 1"]
    for version in versions:
        breaker.stop(where, SINKS, SINK, version)
    breaker.attempted(where, SINKS, SINK)
    breaker.postpone(where, SINKS, SINK, 3600)
    assert not any(breaker.read(where).due(version) for version in versions)
    breaker.succeeded(where, SINKS, SINK)
    assert all(breaker.read(where).due(version) for version in versions)


def test_no_more_versions_are_remembered_than_anybody_uses(where: Storage) -> None:
    for number in range(100):
        breaker.stop(where, SINKS, SINK, f"1.{number}")
    assert breaker.read(where).due("1.0")
    assert not breaker.read(where).due("1.99")
    assert os.stat(where.breaker).st_size < 500


LINE = SINK.encode() + b": "
TORN = [b"", LINE + b"1 1", LINE + b"x 1\n", LINE + b"1\n", b"1 2\n", b"\xff", b"1\n2\n3\n", b"\0" * 50]
TORN += [
    LINE + b"-9 1\n",
    LINE + b"1 1" + b"0" * 400 + b"\n",
    LINE + b"1 -1\n",
    LINE + b"0 0 1.2.3\nga4-6f5e4d3c2b1a\n",
]
TORN += [b"failures: 1\nnot_before: 1\ngone: \n"]  # of another version of ours


@pytest.mark.parametrize("content", TORN)
def test_what_is_no_breaker_is_a_pause_of_a_day_and_then_forgotten(where: Storage, content: bytes) -> None:
    storage.replace(where.breaker, content)
    assert LONGEST_PAUSE_SECONDS - 5 < pause(where) <= LONGEST_PAUSE_SECONDS
    assert not breaker.read(where).due("1.2.3")
    os.utime(where.breaker, (0, time.time() - LONGEST_PAUSE_SECONDS - 5))
    assert breaker.read(where).due("1.2.3")
    breaker.attempted(where, SINKS, SINK)
    assert only(where).failures == 1
    assert pause(where) <= 60


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=100), st.integers(-(2**40), 2**40))
def test_whatever_it_holds_there_is_an_answer_and_it_can_be_written_anew(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, number: int
) -> None:
    where = storage.locate("mytool", {"HOME": str(tmp_path_factory.getbasetemp())})
    for text in (content, b"%s%d %d %s\n" % (LINE, number, number, content)):
        storage.replace(where.breaker, text)
        assert breaker.read(where).due("1.2.3") in (True, False)
        breaker.attempted(where, SINKS, SINK)
        assert 0 < pause(where) <= LONGEST_PAUSE_SECONDS


def test_one_that_cannot_be_read_at_all_is_an_error_and_nothing_is_due(where: Storage) -> None:
    os.makedirs(where.breaker)
    with pytest.raises(StorageError):
        breaker.read(where)


def test_each_sink_has_a_pause_of_its_own(where: Storage) -> None:
    for _ in range(3):
        breaker.attempted(where, TWO, TWO[1])
    breaker.attempted(where, TWO, TWO[0])
    breaker.succeeded(where, TWO, TWO[0])
    known = breaker.read(where)
    assert [known.of(sink).failures for sink in TWO] == [0, 3]
    assert [known.of(sink).due("1.2.3") for sink in TWO] == [True, False]
    assert known.due("1.2.3"), "one of them is"
    breaker.postpone(where, TWO, TWO[0], 3600)
    assert not breaker.read(where).due("1.2.3")
    for sink in TWO:
        breaker.succeeded(where, TWO, sink)
    assert not os.path.exists(where.breaker), "all is well again"


def test_gone_are_all_only_when_each_was_told_so(where: Storage) -> None:
    breaker.stop(where, TWO, TWO[0], "1.2.3")
    known = breaker.read(where)
    assert [known.of(sink).is_gone("1.2.3") for sink in TWO] == [True, False]
    assert (known.is_gone("1.2.3"), known.due("1.2.3")) == (False, True)
    breaker.attempted(where, TWO, TWO[1])
    breaker.succeeded(where, TWO, TWO[1])
    assert breaker.read(where).of(TWO[0]).gone == ("1.2.3",), "the other's success is none of its"
    breaker.stop(where, TWO, TWO[1], "1.2.3")
    known = breaker.read(where)
    assert (known.is_gone("1.2.3"), known.due("1.2.3")) == (True, False)
    assert (known.is_gone("1.2.4"), known.due("1.2.4")) == (False, True)


def test_the_time_of_the_file_is_the_earliest_moment_at_which_any_is_due_and_none_where_all_are_gone(
    where: Storage,
) -> None:
    """By which a run knows without reading it whether it is worth a look."""

    def moment() -> float:
        return os.stat(where.breaker).st_mtime

    breaker.attempted(where, TWO, TWO[0])
    assert moment() == breaker.DUE_NOW, "the other one is due"
    breaker.postpone(where, TWO, TWO[1], 3600)
    assert moment() == breaker.read(where).of(TWO[0]).not_before
    breaker.postpone(where, TWO, TWO[0], 7200)
    assert moment() == breaker.read(where).of(TWO[1]).not_before
    breaker.stop(where, TWO, TWO[1], "1.2.3")
    assert moment() == breaker.read(where).of(TWO[0]).not_before
    breaker.stop(where, TWO, TWO[0], "1.2.3")
    assert moment() == 0


def test_a_sink_that_is_no_more_is_forgotten(where: Storage) -> None:
    breaker.stop(where, TWO, TWO[1], "1.2.3")
    breaker.attempted(where, SINKS, SINK)
    assert breaker.read(where).known.keys() == {SINK}


def test_a_file_that_is_torn_pauses_all_of_them_until_one_is_known_again(where: Storage) -> None:
    storage.replace(where.breaker, b"torn")
    known = breaker.read(where)
    assert [known.of(sink).due("1.2.3") for sink in TWO] == [False, False]
    breaker.attempted(where, TWO, SINK)
    known = breaker.read(where)
    assert known.of(SINK).failures == 1
    assert known.of(TWO[1]).not_before - time.time() > LONGEST_PAUSE_SECONDS - 5, "the pause of the others goes on"
