"""Where events wait, and who may take them."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from writers import contents, start_writers

from cli_analytics import spool as spool_module
from cli_analytics.claims import Claims
from cli_analytics.spool import MAX_BYTES, MAX_EVENTS, Spool
from cli_analytics.storage import StorageError


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(str(tmp_path / "state" / "spool"))


def test_nothing_is_created_before_the_first_event(spool: Spool, tmp_path: Path) -> None:
    assert spool.waiting() == []
    assert spool.peek() == []
    assert spool.is_empty()
    spool.clear()
    Claims(spool).claim(10)
    assert list(tmp_path.iterdir()) == []


def test_events_wait_in_order(spool: Spool) -> None:
    for number in range(5):
        spool.append(b"%d" % number)
        time.sleep(0.002)
    assert spool.peek() == [b"0", b"1", b"2", b"3", b"4"]
    assert contents(Claims(spool).claim(2)) == [b"0", b"1"]
    assert spool.peek() == [b"2", b"3", b"4"]


def test_folders_and_files_are_the_users_alone(spool: Spool) -> None:
    spool.append(b"one")
    for folder in ("..", ".", "tmp", "new", "claimed"):
        assert os.stat(spool.path(folder)).st_mode & 0o777 == 0o700
    assert os.stat(spool.path("new", spool.waiting()[0])).st_mode & 0o777 == 0o600


def test_a_draft_is_not_seen(spool: Spool) -> None:
    spool.append(b"one")
    [name] = spool.waiting()
    Path(spool.path("tmp", name.replace("-", "-f", 1))).write_bytes(b'{"half": ')
    assert spool.peek() == [b"one"]
    assert contents(Claims(spool).claim(10)) == [b"one"]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(["1", "0", "42", "-", "a", "²", "٣", ".json", ".", " ", "é"]), max_size=8).map("".join))
@example("1-2-².json")
@example("²-2-3.json")
def test_whatever_a_file_is_called_it_has_a_size_or_none(name: str) -> None:
    parts = name.split("-")
    is_event = len(parts) == 3 and parts[0].isdigit() and parts[2].endswith(".json") and parts[2][:-5].isdigit()
    assert spool_module.size(name) == 0 or is_event


def test_files_that_are_no_events_are_left_alone(spool: Spool) -> None:
    spool.append(b"one")
    for name in (".DS_Store", "1-2.json", "x-y-z.json", "1-2-3.txt", "-1-2-3.json"):
        Path(spool.path("new", name)).write_bytes(b"x")
    assert contents(Claims(spool).claim(10)) == [b"one"]


def test_of_too_many_events_the_oldest_go_and_are_counted_once(spool: Spool) -> None:
    for number in range(MAX_EVENTS + 7):
        spool.append(b"%06d" % number)
    waiting = spool.peek()
    assert len(waiting) <= MAX_EVENTS
    assert sorted(waiting)[-1] == b"%06d" % (MAX_EVENTS + 6)
    claims = Claims(spool)
    assert claims.claim_dropped() == MAX_EVENTS + 7 - len(waiting)
    assert claims.claim_dropped() == MAX_EVENTS + 7 - len(waiting), "not reported yet, so claimed still"
    claims.done_dropped()
    assert claims.claim_dropped() == 0


def test_at_no_moment_are_there_more_than_that_in_whosever_hands(spool: Spool) -> None:
    for number in range(MAX_EVENTS):
        spool.append(b"%06d" % number)
    claimed = len(Claims(spool).claim(500))
    for number in range(MAX_EVENTS):
        spool.append(b"%06d" % number)
        assert claimed + len(spool.waiting()) <= MAX_EVENTS


@pytest.mark.parametrize("size", [500, 5_000, 30_000])
def test_of_too_many_bytes_the_oldest_go(spool: Spool, size: int) -> None:
    count = min(MAX_BYTES // size + 20, MAX_EVENTS)
    for number in range(count):
        spool.append((b"%06d" % number).ljust(size))
        assert sum(map(spool_module.size, spool.waiting())) <= MAX_BYTES or number % 16
    waiting = spool.peek()
    assert sum(map(len, waiting)) <= MAX_BYTES
    assert max(waiting).startswith(b"%06d" % (count - 1))
    assert Claims(spool).claim_dropped() == count - len(waiting)


def test_clear_deletes_everything(spool: Spool) -> None:
    for number in range(5):
        spool.append(b"%d" % number)
    Claims(spool).claim(2)
    spool.drop(spool.waiting()[0])
    spool.clear()
    assert spool.is_empty()
    assert Claims(spool).claim_dropped() == 0


@pytest.mark.parametrize("missing", ["new", "claimed", "tmp"])
def test_where_a_folder_is_missing_the_event_waits_all_the_same(spool: Spool, missing: str) -> None:
    """As after a run that was killed while it made them, or where somebody has tidied up."""
    spool.append(b"one")
    shutil.rmtree(spool.path(missing))
    spool.append(b"two")
    assert b"two" in spool.peek()
    assert os.listdir(spool.path("tmp")) == []


def test_a_spool_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "spool").write_bytes(b"")
    with pytest.raises(StorageError):
        Spool(str(tmp_path / "spool")).append(b"one")


def test_writers_at_once_keep_the_bounds_and_count_each_dropped_event_once(spool: Spool) -> None:
    writers = start_writers(spool, 5, 300)
    assert [writer.wait(60) for writer in writers] == [0] * 5
    waiting = spool.peek()
    assert len(waiting) <= MAX_EVENTS
    assert Claims(spool).claim_dropped() == 1500 - len(waiting)
