"""Lines: what is in a file of an archive, line by line, as far as it can be read.

A file is a row of gzip members (RFC 1952, section 2.2), in which lines end anywhere. It is read piece by piece, so that
neither a large file nor one that was made to burst fills the memory.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from cli_analytics.errors import ArchiveError
from cli_analytics.event import MAX_BYTES

MAX_LINE = 2 * MAX_BYTES  # an event and what servers add to it; what is longer is cut, and so no record
CHUNK_BYTES = 8192  # what follows a member in its chunk is copied once for each member
PIECE_BYTES = 65_536

_GZIP = 16 + zlib.MAX_WBITS


class Damage(ArchiveError):
    """What comes from `line` on can't be read."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(line, problem)
        self.line = line
        self.problem = problem

    def __str__(self) -> str:
        return self.problem


def read(path: Path, size: int | None = None) -> Iterator[bytes]:
    """The lines in the first `size` bytes of a file, or in all of it. Raises Damage after the last one, and OSError."""
    number, rest = 1, b""
    with path.open("rb") as file:
        try:
            for piece in _pieces(file, path.stat().st_size if size is None else size):
                *whole, rest = (rest + piece).split(b"\n")
                rest = rest[:MAX_LINE]
                number += len(whole)
                yield from (line[:MAX_LINE] for line in whole)
        except zlib.error as error:
            problem = "is no gzip file" if number == 1 and not rest else "is damaged from here on"
            raise Damage(number, problem) from error
        except EOFError as error:
            raise Damage(number, "is torn here, as if its writer had been killed") from error
    if rest:
        yield rest


def _pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    """What is in the members. Raises zlib.error, and EOFError when the last of them is torn."""
    member = None
    while chunk := file.read(min(CHUNK_BYTES, size)):
        size -= len(chunk)
        while chunk:
            member = member or zlib.decompressobj(_GZIP)
            piece = member.decompress(chunk, PIECE_BYTES)
            yield piece
            while not member.eof and len(piece) == PIECE_BYTES and not member.unconsumed_tail:
                piece = member.decompress(b"", PIECE_BYTES)  # what it still holds back
                yield piece
            chunk = member.unused_data if member.eof else member.unconsumed_tail
            member = None if member.eof else member
    if member:
        raise EOFError
