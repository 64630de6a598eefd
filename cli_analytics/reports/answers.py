"""Answers: one CSV for each question that is asked of an archive."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from cli_analytics.errors import CliAnalyticsError

QUESTIONS = ("commands",)


def warn_on_stderr(message: str) -> None:
    """One line for the operator."""
    print(f"warning: {message}", file=sys.stderr)


def write(
    archive: str,
    out: str,
    *,
    since: date | None = None,
    until: date | None = None,
    tool: str | None = None,
    warn: Callable[[str], None] = warn_on_stderr,
) -> list[str]:
    """Writes `<out>/<question>.csv` for every question and returns the paths.

    `since` and `until` are days in UTC, both included, on which events happened; `tool` is a tool's name. What can't be
    read is left out, and `warn` is told in which file. Raises ArchiveError when there is nothing to read, OSError
    when `out` can't be written, CliAnalyticsError without the extra.
    """
    try:
        import duckdb  # noqa: F401

        from cli_analytics.reports import warehouse
    except ModuleNotFoundError as error:
        raise CliAnalyticsError(f"{error}. Reports need: pip install 'cli-analytics[reports]'") from error

    folder = Path(out)
    with warehouse.opened(archive, since=since, until=until, tool=tool, warn=warn) as connection:
        folder.mkdir(parents=True, exist_ok=True)
        return [_answer(question, connection, folder) for question in QUESTIONS]


def _answer(question: str, connection: Any, folder: Path) -> str:
    sql = Path(__file__).with_name(f"{question}.sql").read_text(encoding="utf-8")
    cursor = connection.execute(sql)
    path = folder / f"{question}.csv"
    _replace(path, [column[0] for column in cursor.description], cursor.fetchall())
    return str(path)


def _replace(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Puts a CSV in the place of `path` at once, so that nobody reads half of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(rows)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
