"""Intake: an archive that was written elsewhere, by a file sink or another collector, taken into this one.

    1  what is in the folder: which ids of which tool?                    only these are held in memory
    2  what is in the archive already?                                    all of it, line by line
    3  the folder once more: gate.check ──▶ record.rebuild ──▶ Archive.append, a thousand at a time

Nothing is written down about how far it came: after a kill, step 2 finds what was taken in. A file that grows meanwhile
is read up to the size it had. Two intakes keep out of each other's way by a lock. A collector that runs on the same
archive may take an event between 2 and 3, or after it; then it is there twice, and the warehouse takes the first.
"""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from cli_analytics.collector import lines, record, tools
from cli_analytics.collector.archive import FOLDER, Archive
from cli_analytics.collector.record import Record
from cli_analytics.collector.tools import Tools
from cli_analytics.errors import ArchiveError
from cli_analytics.event import Event
from cli_analytics.gate import check

MAX_APPENDED = 1000  # each append waits for the disk; of what is larger, more is done twice after a kill
MAX_PROBLEMS = 10  # of a file; one that is no archive at all would say one a line


class Problem(NamedTuple):
    """What of the folder was not taken in. `line` is 0 for a file that can't be opened."""

    file: str
    line: int
    problem: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.problem}" if self.line else f"{self.file}: {self.problem}"


class Intake:
    """A folder whose records are taken into `archive`, once."""

    def __init__(self, folder: str, known: Tools, archive: Archive, say: Callable[[str], None]) -> None:
        """`say` is told how far it is. Raises ArchiveError when there is nothing to read in `folder`."""
        self._files = _files(folder)
        self._tools = known
        self._archive = archive
        self._say = say
        self._wanted: dict[str, set[str]] = defaultdict(set)
        self._problems: list[Problem] = []
        self._noted: Counter[Path] = Counter()
        self.counts = Counter(imported=0, already_there=0, undeclared=0)

    @property
    def problems(self) -> list[Problem]:
        """What could not be read, in the order of the files; of many in one file, the first ones and how many more."""
        more = ((path, number - MAX_PROBLEMS) for path, number in self._noted.items() if number > MAX_PROBLEMS)
        return [*self._problems, *(Problem(str(path), 0, f"{number} more lines like these") for path, number in more)]

    def take(self, root: str) -> None:
        """Takes in what isn't in the archive `root` yet. Raises ArchiveError when that can't be written."""
        for found in self._records(self._note):
            if manifest := self._tools.of(found, "segment"):
                self._wanted[manifest.tool.name].add(found["messageId"])
        total = sum(map(len, self._wanted.values()))
        self._strike(Path(root))
        fresh = self._fresh()
        while batch := list(islice(fresh, MAX_APPENDED)):
            self._append(batch, datetime.now(timezone.utc))
            self._say(f"imported {self.counts['imported']} of at most {total}")

    def _strike(self, root: Path) -> None:
        """Leaves in `_wanted` what the archive doesn't have. A torn file there is what a kill leaves behind."""
        for tool, wanted in self._wanted.items():
            for path in sorted((root / FOLDER / tool).rglob("*.gz")):
                self._say(f"comparing with {path}")
                with contextlib.suppress(lines.Damage):
                    for line in lines.read(path):
                        if found := _record(line):
                            wanted.discard(found["messageId"])

    def _fresh(self) -> Iterator[tuple[str, Event, Record]]:
        for found in self._records(lambda *_: None):
            manifest = self._tools.of(found, "segment")
            tool = manifest.tool.name if manifest else ""
            checked = check(tools.named(found, tool), manifest.events).event if manifest else None
            if checked is None:
                self.counts["undeclared"] += 1
            elif found["messageId"] in self._wanted[tool]:
                self._wanted[tool].remove(found["messageId"])
                yield tool, checked, found
            else:
                self.counts["already_there"] += 1

    def _append(self, batch: Sequence[tuple[str, Event, Record]], received: datetime) -> None:
        of_tool = defaultdict(list)
        for tool, checked, found in batch:
            of_tool[tool].append(record.rebuild(checked, found, tool, received))
        for tool, records in of_tool.items():
            self.counts["imported"] += self._archive.append(tool, records, received)

    def _records(self, note: Callable[[Path, int, str], None]) -> Iterator[Record]:
        """Every record that can be read; what can't be is noted."""
        for path, size in self._files:
            number = 0
            try:
                for number, line in enumerate(lines.read(path, size), 1):
                    found = _record(line)
                    if found:
                        yield found
                    else:
                        note(path, number, "is no record")
            except lines.Damage as damage:
                note(path, damage.line, str(damage))
            except OSError as error:
                note(path, 0, f"can't be read: {error.strerror}")
            self._say(f"read {path}")

    def _note(self, path: Path, line: int, problem: str) -> None:
        self._noted[path] += 1
        if self._noted[path] <= MAX_PROBLEMS:
            self._problems.append(Problem(str(path), line, problem))


def _record(line: bytes) -> dict[str, Any] | None:
    """The record on a line, None for what isn't one."""
    try:
        found = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    known = isinstance(found, dict) and all(isinstance(found.get(key), str) for key in ("messageId", "type"))
    return found if known else None


def _files(folder: str) -> list[tuple[Path, int]]:
    """The files below `folder`, each with its size."""
    if not Path(folder).is_dir():
        raise ArchiveError(f"{folder}: there is no such folder; give the one that was archived in")
    paths = sorted(path for path in Path(folder).rglob("*.gz") if path.is_file())
    if not paths:
        raise ArchiveError(f"{folder}: there are no events (*.gz) in it or below; is it the folder of a file sink?")
    return [(path, path.stat().st_size) for path in paths]
