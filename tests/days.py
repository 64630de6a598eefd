"""Days: lets time pass for the files of one tool, as if the clock had gone on.

Instead of the clock, whatever carries a time is set back: the breaker's moments and its file's time, the time of the
sender's lock, and (in steps of six hours, they live for seven days) the names and times of the events in the spool.
"""

from __future__ import annotations

import os
from pathlib import Path

import breakers

from cli_analytics.storage import Storage

STEP_SECONDS = 6 * 3600


class Calendar:
    """The time that passes for the files of `where`, while nothing else touches them."""

    def __init__(self, where: Storage) -> None:
        self.where = where
        self._owed = 0.0  # what has passed, but not yet for the spool

    def let_pass(self, seconds: float) -> None:
        breakers.age(self.where, round(seconds))
        _set_back(Path(self.where.sender_lock), seconds)
        self._owed += seconds
        if self._owed >= STEP_SECONDS:
            self._age_spool(self._owed)
            self._owed = 0.0

    def _age_spool(self, seconds: float) -> None:
        folder = Path(self.where.spool)
        for path in [*folder.glob("new/*.json"), *folder.glob("claimed/**/*.json")]:
            moment, rest = path.name.split("-", 1)
            _set_back(path, seconds)
            path.rename(path.with_name(f"{int(moment) - round(seconds * 1000):013d}-{rest}"))


def _set_back(path: Path, seconds: float) -> None:
    if path.exists():
        status = path.stat()
        os.utime(path, (status.st_atime - seconds, max(0.0, status.st_mtime - seconds)))
