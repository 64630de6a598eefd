"""Torn: a gzip file whose end is missing or broken, because its writer was killed or its disk was full.

A file is a row of gzip members (RFC 1952, section 2.2). What can be read from its beginning is good.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

CHUNK_BYTES = 8192  # what follows a member in its chunk is copied once for each member
_GZIP = 16 + zlib.MAX_WBITS


def is_torn(path: Path) -> bool:
    """True unless the file can be read to its end. Raises OSError when it can't be opened."""
    with path.open("rb") as file:
        return any(piece is None for piece in _pieces(file))


def copy_whole_lines(path: Path, target: Path) -> None:
    """Writes the lines of a torn file, without the torn one, to `target`, uncompressed."""
    end = size = 0
    with path.open("rb") as file, target.open("wb") as lines:
        for piece in _pieces(file):
            if piece:
                lines.write(piece)
                if b"\n" in piece:
                    end = size + piece.rindex(b"\n") + 1
                size += len(piece)
        lines.truncate(end)


def _pieces(file: BinaryIO) -> Iterator[bytes | None]:
    """What is in the file, piece by piece; the last one is None when the end is torn."""
    member = None
    try:
        while chunk := file.read(CHUNK_BYTES):
            while chunk:
                member = member or zlib.decompressobj(_GZIP)
                yield member.decompress(chunk)
                chunk = member.unused_data
                member = None if member.eof else member
    except zlib.error:
        yield None
    else:
        if member:
            yield None
