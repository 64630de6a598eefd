"""What was sent, for the user to read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli_analytics import log, storage
from cli_analytics.storage import Storage, StorageError


@pytest.fixture
def where(tmp_path: Path) -> Storage:
    return storage.locate("mytool", {"HOME": str(tmp_path)})


def test_where_nothing_was_sent_there_is_no_log(where: Storage, tmp_path: Path) -> None:
    assert log.read(where) == []
    log.clear(where)
    assert list(tmp_path.iterdir()) == []


def test_entries_are_kept_in_order_for_the_user_alone(where: Storage) -> None:
    for number in range(5):
        log.append(where, {"number": number})
    assert [entry["number"] for entry in log.read(where)] == [0, 1, 2, 3, 4]
    assert os.stat(where.log).st_mode & 0o777 == 0o600
    assert Path(where.log).read_bytes().count(b"\n") == 5


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(max_size=50), max_size=5))
def test_a_body_is_kept_byte_for_byte(tmp_path_factory: pytest.TempPathFactory, bodies: list[str]) -> None:
    where = storage.locate("mytool", {"HOME": str(tmp_path_factory.mktemp("home"))})
    for body in bodies:
        log.append(where, {"body": body})
    assert [entry["body"] for entry in log.read(where)] == bodies


def test_the_oldest_go_when_it_grows(where: Storage) -> None:
    for number in range(40):
        log.append(where, {"number": number, "body": "x" * 20_000})
    entries = log.read(where)
    assert os.stat(where.log).st_size <= log.MAX_BYTES + 1_000
    assert [entry["number"] for entry in entries] == list(range(40))[-len(entries) :]
    assert len(entries) > 5


def test_the_last_is_kept_even_if_it_is_larger_than_all_may_be(where: Storage) -> None:
    """As one request of 500 events may be."""
    log.append(where, {"number": 1, "body": "x"})
    log.append(where, {"number": 2, "body": "x" * 480_000})
    assert [entry["number"] for entry in log.read(where)] == [2]
    log.append(where, {"number": 3, "body": "x"})
    assert [entry["number"] for entry in log.read(where)] == [3]


@pytest.mark.parametrize("torn", [b'{"number": ', b"", b"[1]", b"\xff\xfe", b"null"])
def test_a_line_that_is_torn_spoils_no_other(where: Storage, torn: bytes) -> None:
    log.append(where, {"number": 1})
    with open(where.log, "ab") as file:
        file.write(torn + b"\n")
    entry: dict[str, Any] = {"number": 2}
    log.append(where, entry)
    assert [found["number"] for found in log.read(where)] == [1, 2]


def test_a_log_that_cannot_be_read_is_an_error(where: Storage) -> None:
    os.makedirs(where.log)
    with pytest.raises(StorageError):
        log.read(where)


def test_clearing_it_deletes_it(where: Storage) -> None:
    log.append(where, {"number": 1})
    log.clear(where)
    assert not os.path.exists(where.log)
