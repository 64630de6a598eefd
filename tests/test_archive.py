"""The archive: its layout, its files, and what is in a record."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from pathlib import Path

import pytest

pytest.importorskip("msgspec")

from collecting import NOON, event, line, records

from cli_analytics.collector import record
from cli_analytics.collector.archive import Archive
from cli_analytics.collector.memory import Memory


@pytest.mark.parametrize(
    ("received", "sent", "original", "corrected"),
    [  # the first two from Segment's own documentation and from a report of one of its clients
        ("19:11:01.266Z", "19:11:01.169Z", "19:11:01.152Z", "19:11:01.249Z"),
        ("06:33:36.745Z", "06:33:32.900Z", "06:33:31.593Z", "06:33:35.438Z"),
        ("06:33:36.745Z", "08:33:32.900000+02:00", "06:33:31.593+00:00", "06:33:35.438Z"),
        ("06:33:36.745Z", "yesterday", "06:33:31.593Z", "06:33:31.593Z"),
        ("06:33:36.745Z", None, "06:33:31.593Z", "06:33:31.593Z"),
    ],
)
def test_a_wrong_clock_is_corrected(received: str, sent: str | None, original: str, corrected: str) -> None:
    moment = record.moment(f"2026-01-02T{received}")
    assert moment
    checked = event(timestamp=f"2026-01-02T{original}")
    built = record.build(checked, {"sentAt": sent and f"2026-01-02T{sent}"}, "mytool", moment)
    assert built["timestamp"] == f"2026-01-02T{corrected}"
    assert built["originalTimestamp"] == f"2026-01-02T{original}"


def test_each_day_and_each_tool_has_files_of_its_own(tmp_path: Path) -> None:
    with contextlib.closing(Archive(str(tmp_path))) as archive:
        for day in range(2):
            archive.append("one", [line(f"one {day}")], NOON + timedelta(days=day))
        archive.append("two", [line("two")], NOON)
    folders = sorted(str(path.parent.relative_to(tmp_path)) for path in tmp_path.rglob("*.gz"))
    days = ["segment-logs/one/1767312000000", "segment-logs/one/1767398400000", "segment-logs/two/1767312000000"]
    assert folders == days


def test_a_full_file_is_followed_by_another(tmp_path: Path) -> None:
    with contextlib.closing(Archive(str(tmp_path), max_file_bytes=250)) as archive:
        for number in range(20):
            archive.append("mytool", [line(str(number))], NOON)
    sizes = [path.stat().st_size for path in tmp_path.rglob("*.gz")]
    assert len(sizes) > 2 and max(sizes) <= 250
    assert len(records(tmp_path)) == 20


def test_a_file_that_was_taken_away_is_not_written_to(tmp_path: Path) -> None:
    with contextlib.closing(Archive(str(tmp_path))) as archive:
        archive.append("mytool", [line("first")], NOON)
        next(tmp_path.rglob("*.gz")).unlink()
        archive.append("mytool", [line("second")], NOON)
    assert records(tmp_path) == [line("second")]


def test_records_keep_their_order(tmp_path: Path) -> None:
    with contextlib.closing(Archive(str(tmp_path))) as archive:
        assert archive.append("mytool", [line("b"), line("a"), line("b"), line("c")], NOON) == 3
    assert records(tmp_path) == [line("b"), line("a"), line("c")]


def test_the_memory_forgets_the_oldest() -> None:
    memory = Memory(max_ids=2)
    memory.add(["first", "second", "third"])
    assert ["first" in memory, "second" in memory, "third" in memory] == [False, True, True]
