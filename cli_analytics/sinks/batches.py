"""Batches: what goes into one request, where a destination bounds it by number and by bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

_T = TypeVar("_T")


def batches(items: Iterable[tuple[_T, bytes]], *, most: int, max_bytes: int) -> Iterator[list[tuple[_T, bytes]]]:
    """The items in order, in as few lists as the bounds allow. One that is too large alone is left out.

    A byte between two of them counts, too.
    """
    batch: list[tuple[_T, bytes]] = []
    size = 0
    for item in items:
        length = len(item[1])
        if length > max_bytes:
            continue
        if batch and (size + length > max_bytes or len(batch) == most):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += length + 1
    if batch:
        yield batch
