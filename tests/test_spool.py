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
from cli_analytics.spool import BATCH_EVENTS, BLOCK_EVENTS, MAX_BYTES, MAX_EVENTS, Spool
from cli_analytics.storage import StorageError

SINKS = ["segment-000000000001", "ga4-000000000002", "file-000000000003"]
SINK, ONE = SINKS[0], SINKS[:1]


def dropped(spool: Spool, sink: str = SINK) -> int:
    """What a sink is told with the next event."""
    claims = Claims(spool, SINKS if sink != SINK else ONE)
    claims.claim(sink)
    return claims.dropped(sink)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(str(tmp_path / "state" / "spool"))


def test_nothing_is_created_before_the_first_event(spool: Spool, tmp_path: Path) -> None:
    assert spool.waiting() == []
    assert spool.peek() == []
    assert spool.is_empty()
    spool.clear()
    claims = Claims(spool, ONE)
    assert (claims.wants(SINK), claims.dropped(SINK), list(claims.peek(SINK))) == (False, 0, [])
    assert list(tmp_path.iterdir()) == []


def test_events_wait_in_order(spool: Spool) -> None:
    for number in range(5):
        spool.append(b"%d" % number)
        time.sleep(0.002)
    assert spool.peek() == [b"0", b"1", b"2", b"3", b"4"]
    claims = Claims(spool, ONE)
    claimed = claims.claim(SINK)
    assert contents(claimed) == [b"0", b"1", b"2", b"3", b"4"]
    for name, _ in claimed[:2]:
        claims.done(SINK, name)
    spool.append(b"5")
    assert spool.peek() == [b"2", b"3", b"4", b"5"], "what a sender has is not delivered yet"


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
    assert contents(Claims(spool, ONE).claim(SINK)) == [b"one"]


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
    assert contents(Claims(spool, ONE).claim(SINK)) == [b"one"]


def test_of_too_many_events_the_oldest_go_and_are_counted_once(spool: Spool) -> None:
    for number in range(MAX_EVENTS + 7):
        spool.append(b"%06d" % number)
    waiting = spool.peek()
    assert len(waiting) <= MAX_EVENTS
    assert sorted(waiting)[-1] == b"%06d" % (MAX_EVENTS + 6)
    assert dropped(spool) == MAX_EVENTS + 7 - len(waiting)
    assert dropped(spool) == MAX_EVENTS + 7 - len(waiting), "not reported yet, so claimed still"
    Claims(spool, ONE).told(SINK)
    assert dropped(spool) == 0


@pytest.mark.slow
def test_at_no_moment_are_there_more_than_that_in_whosever_hands(spool: Spool) -> None:
    for number in range(MAX_EVENTS):
        spool.append(b"%06d" % number)
    claimed = len(Claims(spool, ONE).claim(SINK))
    assert claimed == BATCH_EVENTS
    for number in range(MAX_EVENTS):
        spool.append(b"%06d" % number)
        assert claimed + len(spool.waiting()) <= MAX_EVENTS


@pytest.mark.slow
def test_what_waits_for_sinks_that_fail_leaves_room_for_others(spool: Spool) -> None:
    """Each of them may hold other events, and all of them together more than a batch."""
    for sink in SINKS:
        for number in range(BATCH_EVENTS):
            spool.append(b"%06d" % number)
        Claims(spool, SINKS[: SINKS.index(sink) + 1]).claim(sink)
        for other in SINKS[: SINKS.index(sink)]:
            assert len(os.listdir(spool.path("claimed", other))) >= BATCH_EVENTS
    for number in range(BATCH_EVENTS + 2 * BLOCK_EVENTS):
        spool.append(b"%06d" % number)
    assert len(spool.waiting()) <= MAX_EVENTS - BATCH_EVENTS
    assert len(spool.waiting()) >= MAX_EVENTS - BATCH_EVENTS - BLOCK_EVENTS


@pytest.mark.slow
@pytest.mark.parametrize("size", [500, 5_000, 30_000])
def test_of_too_many_bytes_the_oldest_go(spool: Spool, size: int) -> None:
    count = min(MAX_BYTES // size + 20, MAX_EVENTS)
    for number in range(count):
        spool.append((b"%06d" % number).ljust(size))
        assert sum(map(spool_module.size, spool.waiting())) <= MAX_BYTES or number % 16
    waiting = spool.peek()
    assert sum(map(len, waiting)) <= MAX_BYTES
    assert max(waiting).startswith(b"%06d" % (count - 1))
    assert dropped(spool) == count - len(waiting)


@pytest.mark.slow
@pytest.mark.parametrize("size", [2_500, 30_000])
@pytest.mark.parametrize("sinks", [1, 3])
def test_while_a_sink_fails_the_newest_events_wait_within_the_bounds(spool: Spool, sinks: int, size: int) -> None:
    """Whatever it has of old ones takes no more than half of the room."""
    for number in range(MAX_EVENTS):
        spool.append((b"%06d" % number).ljust(size))
        time.sleep(0.001)  # of two in one millisecond nobody knows the order
        if number % 300 == 299:
            claims = Claims(spool, SINKS[:sinks])
            claims.claim(SINK)  # and fails
            for sink in SINKS[1:sinks]:
                for name, _ in claims.claim(sink):
                    claims.done(sink, name)
    kept = sorted(content[:6] for content in spool.peek())
    newest = [b"%06d" % number for number in range(MAX_EVENTS)][-min(400, MAX_BYTES // 3 // size) :]
    assert kept[-len(newest) :] == newest
    assert len(kept) <= MAX_EVENTS
    assert size * len(kept) <= MAX_BYTES + 16 * size


def test_clear_deletes_everything(spool: Spool) -> None:
    for _ in range(2):
        for number in range(5):
            spool.append(b"%d" % number)
        Claims(spool, SINKS).claim(SINK)
        spool.append(b"5")
        spool.drop(spool.waiting()[0])
    os.rename(spool.path("claimed", SINK), spool.path("claimed", "one that is no more"))
    spool.append(b"6")
    Path(spool.path("tmp", "draft")).write_bytes(b"{")
    spool.clear()
    assert spool.is_empty()
    assert [dropped(spool, sink) for sink in SINKS] == [0] * len(SINKS)
    assert [path for path in Path(spool.folder).rglob("*") if path.is_file()] == []


def test_a_folder_in_place_of_one_of_ours_is_emptied_and_deleted_with_the_rest(spool: Spool) -> None:
    spool.append(b"one")
    Path(spool.path("claimed", "somebody's", "own")).mkdir(parents=True)
    Path(spool.path("claimed", "somebody's", "file")).write_bytes(b"")
    with pytest.raises(StorageError, match="somebody"):
        spool.clear()
    assert spool.is_empty()
    assert os.listdir(spool.path("claimed", "somebody's")) == ["own"]


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
    assert dropped(spool) == 1500 - len(waiting)
