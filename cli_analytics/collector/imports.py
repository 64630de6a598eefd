"""Imports: one run of `cli-analytics collect --import`, from a folder into an archive."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cli_analytics import storage
from cli_analytics.collector import extra
from cli_analytics.errors import ArchiveError
from cli_analytics.manifest import Manifest

if TYPE_CHECKING:
    from cli_analytics.collector.intake import Problem

LOCK = "import.lock"
PAUSE_SECONDS = 5.0  # between two words about how far it is


class Result(NamedTuple):
    """What became of the records in the folder."""

    imported: int
    already_there: int
    undeclared: int
    problems: Sequence[Problem]


def import_folder(
    folder: str,
    manifests: Sequence[Manifest],
    archive: str,
    *,
    say: Callable[[str], None],
    pause_seconds: float = PAUSE_SECONDS,
) -> Result:
    """Takes the archive in `folder` into `archive`; nothing in `folder` is changed. `say` is told how far it is.

    Raises ArchiveError for folders that can't be read or written or lie in each other, ManifestError for two manifests
    of one tool, CliAnalyticsError without the extra.
    """
    with extra.required():
        from cli_analytics.collector.archive import Archive
        from cli_analytics.collector.intake import Intake
        from cli_analytics.collector.memory import Memory
        from cli_analytics.collector.tools import Tools

    _check_apart(Path(folder), Path(archive))
    with contextlib.closing(Archive(archive, memory=Memory(0))) as opened, _alone(archive):
        intake = Intake(folder, Tools(manifests), opened, _paced(say, pause_seconds))
        intake.take(archive)
        return Result(**intake.counts, problems=intake.problems)


def _check_apart(folder: Path, archive: Path) -> None:
    inner, outer = folder.resolve(), archive.resolve()
    if inner.is_relative_to(outer) or outer.is_relative_to(inner):
        raise ArchiveError(f"{folder}: is, holds or lies in the archive {archive}; give another folder")


@contextlib.contextmanager
def _alone(archive: str) -> Iterator[None]:
    """Nobody else imports into the archive meanwhile. The lock goes with the process, the file stays."""
    try:
        lock = storage.lock(os.path.join(archive, LOCK))
    except storage.StorageError as error:
        raise ArchiveError(str(error)) from error
    if lock is None:
        raise ArchiveError(f"{archive}: another import into it is under way; wait until it has ended")
    try:
        yield
    finally:
        os.close(lock)


def _paced(say: Callable[[str], None], pause_seconds: float) -> Callable[[str], None]:
    """`say`, but not more often than after each pause."""
    said = time.monotonic()

    def now_and_then(text: str) -> None:
        nonlocal said
        if time.monotonic() - said >= pause_seconds:
            say(text)
            said = time.monotonic()

    return now_and_then
