"""Where events wait, and who may take them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cli_analytics import spool as spool_module
from cli_analytics.claims import CLAIM_SECONDS, MAX_AGE_SECONDS, Claims
from cli_analytics.spool import MAX_BYTES, MAX_EVENTS, Spool
from cli_analytics.storage import StorageError

WRITER = """
import sys
from cli_analytics.spool import Spool
spool = Spool(sys.argv[1])
for number in range(int(sys.argv[3])):
    spool.append(f'{{"from": "{sys.argv[2]}", "number": {number}}}'.encode())
"""


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(str(tmp_path / "state" / "spool"))


def contents(claimed: list[tuple[str, bytes]]) -> list[bytes]:
    return [content for _, content in claimed]


def backdate(spool: Spool, name: str, seconds: float) -> None:
    """Let an event be that much older."""
    milliseconds, rest = name.split("-", 1)
    os.rename(spool.path("new", name), spool.path("new", f"{int(milliseconds) - int(seconds * 1000):013d}-{rest}"))


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


def test_what_is_claimed_is_claimed_once_until_it_is_released(spool: Spool) -> None:
    spool.append(b"one")
    first, second = Claims(spool), Claims(spool)
    [(name, content)] = first.claim(10)
    assert (content, second.claim(10)) == (b"one", [])
    assert not spool.is_empty()
    first.release(name)
    assert contents(second.claim(10)) == [b"one"]
    second.done(name)
    assert spool.is_empty()


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


def test_events_that_are_too_old_are_dropped_and_counted(spool: Spool) -> None:
    spool.append(b"old")
    backdate(spool, spool.waiting()[0], MAX_AGE_SECONDS + 60)
    spool.append(b"young")
    claims = Claims(spool)
    assert contents(claims.claim(10)) == [b"young"]
    assert claims.claim_dropped() == 1


def test_a_claim_that_lost_its_sender_comes_back_by_age(spool: Spool) -> None:
    spool.append(b"one")
    [(name, _)] = Claims(spool).claim(10)
    assert Claims(spool).claim(10) == []
    os.utime(spool.path("claimed", name), (time.time() - CLAIM_SECONDS - 1,) * 2)
    assert Claims(spool).claim(10) == [(name, b"one")]
    assert Claims(spool).claim(10) == [], "its age begins anew"


def test_an_event_that_waited_long_is_no_orphan_the_moment_it_is_claimed(spool: Spool) -> None:
    spool.append(b"one")
    [name] = spool.waiting()
    os.utime(spool.path("new", name), (time.time() - 3600,) * 2)
    assert Claims(spool).claim(10) == [(name, b"one")]
    assert Claims(spool).claim(10) == []


def test_clear_deletes_everything(spool: Spool) -> None:
    for number in range(5):
        spool.append(b"%d" % number)
    Claims(spool).claim(2)
    spool.drop(spool.waiting()[0])
    spool.clear()
    assert spool.is_empty()
    assert Claims(spool).claim_dropped() == 0


def test_a_spool_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "spool").write_bytes(b"")
    with pytest.raises(StorageError):
        Spool(str(tmp_path / "spool")).append(b"one")


def test_fifty_writers_at_once_lose_and_double_nothing_while_two_claim(spool: Spool) -> None:
    claimed: list[bytes] = []
    ended = threading.Event()

    def claim() -> None:
        claims = Claims(spool)
        while True:
            was_ended = ended.is_set()
            taken = claims.claim(50)
            claimed.extend(contents(taken))
            for name, _ in taken:
                claims.done(name)
            if was_ended and not taken:
                return

    claimers = [threading.Thread(target=claim) for _ in range(2)]
    writers = [
        subprocess.Popen([sys.executable, "-S", "-c", WRITER, spool.folder, str(number), "20"], env=_environ())
        for number in range(50)
    ]
    for claimer in claimers:
        claimer.start()
    assert [writer.wait(60) for writer in writers] == [0] * 50
    ended.set()
    for claimer in claimers:
        claimer.join(60)
    found = [(event["from"], event["number"]) for event in map(json.loads, claimed)]
    assert len(found) == 1000
    assert len(set(found)) == 1000
    assert spool.is_empty()
    assert Claims(spool).claim_dropped() == 0


def _environ() -> dict[str, str]:
    """For a Python that starts without site-packages, which takes half the time."""
    return {**os.environ, "PYTHONPATH": str(Path(spool_module.__file__).parents[1])}


def test_writers_at_once_keep_the_bounds_and_count_each_dropped_event_once(spool: Spool) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-S", "-c", WRITER, spool.folder, str(number), "300"], env=_environ())
        for number in range(5)
    ]
    assert [writer.wait(60) for writer in writers] == [0] * 5
    waiting = spool.peek()
    assert len(waiting) <= MAX_EVENTS
    assert Claims(spool).claim_dropped() == 1500 - len(waiting)
