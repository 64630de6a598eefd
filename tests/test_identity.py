"""Which installation: a random id that exists from the first recording on, and is one however many record first."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import User, user_at

from cli_analytics import identity, storage
from cli_analytics.storage import Storage, StorageError

CREATE = """
import sys
import time
from cli_analytics import identity, storage
sys.stdin.read()
print(identity.create(storage.locate("mytool", {"HOME": sys.argv[1]})))
"""


@pytest.fixture
def where(tmp_path: Path) -> Storage:
    return storage.locate("mytool", {"HOME": str(tmp_path)})


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    with user_at(tmp_path) as somebody:
        yield somebody


def test_looking_for_it_makes_none(where: Storage, tmp_path: Path) -> None:
    assert identity.known(where) == ""
    assert identity.shown(where, {}) == identity.PLACEHOLDER == str(uuid.UUID(int=0x40008000000000000000))
    identity.forget(where)
    assert list(tmp_path.iterdir()) == []


def test_it_is_a_random_uuid_in_a_file_of_the_users_alone(where: Storage) -> None:
    made = identity.create(where)
    assert uuid.UUID(made).version == 4
    assert Path(where.client_id).read_bytes() == f"{made}\n".encode()
    assert os.stat(where.client_id).st_mode & 0o777 == 0o600
    assert os.listdir(where.config) == ["client-id"]


def test_it_stays_the_same(where: Storage) -> None:
    made = identity.create(where)
    assert identity.create(where) == identity.known(where) == identity.shown(where, {}) == made


def test_the_one_after_forgetting_it_has_nothing_in_common_with_it(where: Storage) -> None:
    before = identity.create(where)
    identity.forget(where)
    assert identity.known(where) == ""
    assert identity.create(where) != before


def test_forgetting_it_forgets_what_a_killed_process_left_of_it(where: Storage) -> None:
    identity.create(where)
    Path(f"{where.client_id}.4711.0a1b2c3d").write_bytes(b"half an id")
    Path(where.choice).write_bytes(b"on\n")
    identity.forget(where)
    assert os.listdir(where.config) == ["choice"]


@pytest.mark.parametrize(
    "content", [b"", b"ada", b"\xff" * 36, b"0" * 36, b"12345678-1234-1234-1234-12345678901g\n", b"-" * 36]
)
def test_what_is_no_id_is_an_error_and_not_replaced(where: Storage, content: bytes) -> None:
    storage.replace(where.client_id, content)
    with pytest.raises(StorageError, match="client-id"):
        identity.known(where)
    with pytest.raises(StorageError, match="client-id"):
        identity.create(where)
    assert Path(where.client_id).read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"ada\n", b"0" * 36 + b"\n", b"-" * 36])
def test_with_an_id_that_is_none_nothing_is_recorded(user: User, content: bytes) -> None:
    user.inform()
    storage.replace(user.where.client_id, content)
    done = user.run("hello")
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello\n", "")
    assert user.kept() == []


def test_an_id_that_was_written_by_hand_without_a_newline_is_one(where: Storage) -> None:
    made = str(uuid.uuid4())
    storage.replace(where.client_id, made.encode())
    assert identity.known(where) == made


def test_fifty_processes_at_once_agree_on_one(tmp_path: Path) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", CREATE, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(50)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.close()  # now
    found = []
    for process in started:
        assert process.stdout is not None
        with process.stdout:
            found.append(process.stdout.read().strip())
        assert process.wait(60) == 0
    assert len(set(found)) == 1
    assert uuid.UUID(found[0]).version == 4
    assert os.listdir(tmp_path / ".config" / "mytool" / "analytics") == ["client-id"]


def test_an_id_that_is_old_enough_is_replaced_and_a_young_one_is_not(where: Storage) -> None:
    first = identity.create(where)
    for days, age_days, stays in ((30, 29, True), (0, 4000, True), (30, -400, True), (30, 31, False)):
        then = time.time() - age_days * 24 * 3600
        os.utime(where.client_id, (then, then))
        identity.expire(where, days)
        assert (identity.known(where) == first) is stays
    assert identity.create(where) != first
    storage.remove(where.client_id)
    identity.expire(where, 30)
