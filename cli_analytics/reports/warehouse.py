"""Warehouse: the archive seen through SQL, as the table `events` of a DuckDB connection in memory.

Everything that knows DuckDB or how the files are read is here and in records.sql and events.sql.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path

import duckdb

from cli_analytics.errors import ArchiveError
from cli_analytics.reports import torn

Warn = Callable[[str], None]


@contextlib.contextmanager
def opened(
    archive: str, *, since: date | None, until: date | None, tool: str | None, warn: Warn
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the table `events`. Raises ArchiveError when there is nothing to read."""
    files = _files(archive)
    with tempfile.TemporaryDirectory(prefix="cli-analytics-") as scratch, _connection(scratch) as connection:
        try:
            _load(connection, files, Path(scratch), warn)
        except (duckdb.Error, OSError) as error:
            raise ArchiveError(f"{archive}: can't be read: {error}") from error
        connection.execute(_sql("events"), {"since": since, "until": until, "tool": tool})
        connection.execute("drop table records")
        yield connection


def _files(archive: str) -> list[Path]:
    """The files with records in them; one that was created but never written to is none."""
    if "://" in archive:
        raise ArchiveError(f"{archive}: an archive is a folder; other places are not supported")
    if not Path(archive).is_dir():
        raise ArchiveError(f"{archive}: there is no such folder; give the one that `cli-analytics collect` archives in")
    files = sorted(path for path in Path(archive).rglob("*.gz") if path.is_file() and path.stat().st_size)
    if not files:
        raise ArchiveError(f"{archive}: there are no events (*.gz) in it or below; has anything been collected yet?")
    return files


def _connection(scratch: str) -> duckdb.DuckDBPyConnection:
    """A connection that spills into `scratch`, not into the working directory, and loads nothing from the network."""
    connection = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": "false",
            "preserve_insertion_order": "false",
            "temp_directory": scratch,
        },
    )
    connection.execute("set timezone = 'UTC'")  # a time that names no zone is in UTC
    return connection


def _load(connection: duckdb.DuckDBPyConnection, files: Sequence[Path], scratch: Path, warn: Warn) -> None:
    try:
        _read(connection, files)
    except duckdb.IOException:  # about the first torn file; there may be more
        copies = (scratch / f"{index}.{file.stem}.json" for index, file in enumerate(files))
        _read(connection, [_mended(file, copy, warn) for file, copy in zip(files, copies, strict=True)])
    _report_unreadable(connection, warn)


def _read(connection: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> None:
    connection.execute(_sql("records"), {"files": [str(file) for file in files]})


def _mended(file: Path, copy: Path, warn: Warn) -> Path:
    """The file, or a copy without its end when that is torn."""
    if not torn.is_torn(file):
        return file
    warn(f"{file}: its end is torn; what is before it is read")
    torn.copy_whole_lines(file, copy)
    return copy


def _report_unreadable(connection: duckdb.DuckDBPyConnection, warn: Warn) -> None:
    unreadable = "select file, count(*) from records where message_id is null group by file order by file"
    for file, lines in connection.execute(unreadable).fetchall():
        warn(f"{file}: {lines} of its lines can't be read and are left out")


def _sql(name: str) -> str:
    return Path(__file__).with_name(f"{name}.sql").read_text(encoding="utf-8")
