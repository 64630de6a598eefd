"""When is the next attempt to send due."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli_analytics import breaker, storage
from cli_analytics.breaker import LONGEST_PAUSE_SECONDS, Breaker
from cli_analytics.storage import Storage, StorageError


@pytest.fixture
def where(tmp_path: Path) -> Storage:
    return storage.locate("mytool", {"HOME": str(tmp_path)})


def pause(where: Storage) -> float:
    return breaker.read(where).not_before - time.time()


def test_where_there_is_none_an_attempt_is_due(where: Storage, tmp_path: Path) -> None:
    assert breaker.read(where).due("1.2.3")
    breaker.succeeded(where)
    assert list(tmp_path.iterdir()) == []


def test_pauses_double_from_a_minute_to_a_day(where: Storage) -> None:
    expected = [min(60 * 2**number, LONGEST_PAUSE_SECONDS) for number in range(40)]
    for number, seconds in enumerate(expected, start=1):
        breaker.attempted(where)
        assert seconds - 2 < pause(where) <= seconds
        assert breaker.read(where).failures == number
        assert not breaker.read(where).due("1.2.3")
    assert expected[-1] == LONGEST_PAUSE_SECONDS == 86_400


def test_a_dead_endpoint_sees_eleven_attempts_in_the_first_day_and_then_one_a_day(where: Storage) -> None:
    moments = [0.0]
    for _ in range(13):
        breaker.attempted(where)
        moments.append(moments[-1] + pause(where) + 1)
    assert len([moment for moment in moments if moment < LONGEST_PAUSE_SECONDS]) == 11
    assert round(moments[-1] - moments[-2], -1) == LONGEST_PAUSE_SECONDS


def test_a_success_forgets_all_failures(where: Storage) -> None:
    breaker.attempted(where)
    breaker.attempted(where)
    breaker.succeeded(where)
    assert not os.path.exists(where.breaker)
    breaker.attempted(where)
    assert pause(where) <= 60


def test_after_the_pause_an_attempt_is_due(where: Storage) -> None:
    assert Breaker(1, int(time.time()) - 1).due("1.2.3")
    assert not Breaker(1, int(time.time()) + 30).due("1.2.3")


def test_a_pause_longer_than_any_is_of_a_clock_that_was_set_back() -> None:
    assert Breaker(1, int(time.time()) + LONGEST_PAUSE_SECONDS + 60).due("1.2.3")
    assert not Breaker(1, int(time.time()) + LONGEST_PAUSE_SECONDS - 60).due("1.2.3")


def test_a_wish_can_lengthen_the_pause_but_not_shorten_it(where: Storage) -> None:
    breaker.attempted(where)
    breaker.postpone(where, 3600)
    assert 3590 < pause(where) <= 3600
    breaker.postpone(where, 1)
    assert 3590 < pause(where) <= 3600
    assert breaker.read(where).failures == 1


def test_a_wish_is_bounded_by_a_day(where: Storage) -> None:
    breaker.postpone(where, 10**9)
    assert pause(where) <= LONGEST_PAUSE_SECONDS
    assert not breaker.read(where).due("1.2.3")


def test_gone_is_for_good_until_the_version_changes(where: Storage) -> None:
    breaker.attempted(where)
    breaker.stop(where, "1.2.3")
    assert not breaker.read(where).due("1.2.3")
    assert breaker.read(where).due("1.2.4")


def test_every_version_that_was_told_stays_so_until_an_attempt_goes_well(where: Storage) -> None:
    versions = ["1.2.3", "1.2.4", "", "2.0 beta 1"]
    for version in versions:
        breaker.stop(where, version)
    breaker.attempted(where)
    breaker.postpone(where, 3600)
    assert not any(breaker.read(where).due(version) for version in versions)
    breaker.succeeded(where)
    assert all(breaker.read(where).due(version) for version in versions)


def test_no_more_versions_are_remembered_than_anybody_uses(where: Storage) -> None:
    for number in range(100):
        breaker.stop(where, f"1.{number}")
    assert breaker.read(where).due("1.0")
    assert not breaker.read(where).due("1.99")
    assert os.stat(where.breaker).st_size < 500


TORN = [b"", b"failures: 1\n", b"failures: x\nnot_before: 1\ngone: \n", b"\xff", b"1\n2\n3\n", b"\0" * 50]
TORN += [b"failures: -9\nnot_before: 1\ngone: \n", b"failures: 1\nnot_before: 1" + b"0" * 400 + b"\ngone: \n"]


@pytest.mark.parametrize("content", TORN)
def test_what_is_no_breaker_is_a_pause_of_a_day_and_then_forgotten(where: Storage, content: bytes) -> None:
    storage.replace(where.breaker, content)
    assert LONGEST_PAUSE_SECONDS - 5 < pause(where) <= LONGEST_PAUSE_SECONDS
    assert not breaker.read(where).due("1.2.3")
    os.utime(where.breaker, (0, time.time() - LONGEST_PAUSE_SECONDS - 5))
    assert breaker.read(where).due("1.2.3")
    breaker.attempted(where)
    assert breaker.read(where).failures == 1
    assert pause(where) <= 60


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=100), st.integers(-(2**40), 2**40))
def test_whatever_it_holds_there_is_an_answer_and_it_can_be_written_anew(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, number: int
) -> None:
    where = storage.locate("mytool", {"HOME": str(tmp_path_factory.getbasetemp())})
    for text in (content, b"failures: %d\nnot_before: %d\ngone: %s\n" % (number, number, content)):
        storage.replace(where.breaker, text)
        assert breaker.read(where).due("1.2.3") in (True, False)
        breaker.attempted(where)
        assert 0 < pause(where) <= LONGEST_PAUSE_SECONDS


def test_one_that_cannot_be_read_at_all_is_an_error_and_nothing_is_due(where: Storage) -> None:
    os.makedirs(where.breaker)
    with pytest.raises(StorageError):
        breaker.read(where)
