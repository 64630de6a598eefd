"""Drafts: a file that is created once, for all who race the same; and what killed writers have left of theirs."""

from __future__ import annotations

import os
import re
import time

from cli_analytics import storage
from cli_analytics.storage import StorageError

OLD_SECONDS = 3600  # nobody writes one file for that long: who began to was killed

_DRAFT = re.compile(r"(?P<file>.+)\.\d+\.[0-9a-f]{8}")  # storage.py names them so


def create_once(path: str, content: bytes) -> bytes:
    """Write a file unless there is one; return what it holds. Fifty first runs agree on one. Raises StorageError."""
    try:
        draft = storage.write_draft(path, content)
        try:
            _link(draft, path, content)
        except FileExistsError:
            pass
        finally:
            os.unlink(draft)
    except OSError as error:
        raise StorageError(path, error) from error
    return storage.read(path) or b""


def erase(path: str) -> None:
    """Delete a file and all drafts of it. Raises StorageError."""
    folder, name = os.path.split(path)
    for draft in _names(folder):
        found = _DRAFT.fullmatch(draft)
        if found and found["file"] == name:
            storage.remove(os.path.join(folder, draft))
    storage.remove(path)


def remove_old(folder: str) -> None:
    """Delete the old drafts in a folder of ours, as far as that goes."""
    _remove_old(folder, [name for name in _names(folder) if _DRAFT.fullmatch(name)])


def empty_of_old(folder: str) -> None:
    """Delete whatever is old in a folder that has nothing but drafts, as far as that goes."""
    _remove_old(folder, [] if os.path.islink(folder) else _names(folder))


def _link(draft: str, path: str, content: bytes) -> None:
    """Give `draft` its name unless it is taken. Raises FileExistsError if it is."""
    try:
        os.link(draft, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links; who reads before the write is done finds no id, and records nothing
        storage.write_new(path, content)


def _remove_old(folder: str, names: list[str]) -> None:
    for name in names:
        path = os.path.join(folder, name)
        try:
            if abs(time.time() - os.stat(path).st_mtime) > OLD_SECONDS:  # or in what a clock set back made the future
                os.unlink(path)
        except OSError:
            continue  # it is being written, or can't be removed


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
