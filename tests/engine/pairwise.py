"""Pairwise: few cases, in which each value of each axis meets each value of every other one."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

Case = tuple[str, ...]


def cases(axes: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """Always the one next that has most pairs that were in none before."""
    every = list(itertools.product(*axes.values()))
    left = {pair for case in every for pair in _pairs(case)}
    found = []
    while left:
        best = max(every, key=lambda case: len(left & _pairs(case)))
        left -= _pairs(best)
        found.append(dict(zip(axes, best)))
    return found


def _pairs(case: Case) -> set[tuple[int, str, int, str]]:
    return {(i, case[i], j, case[j]) for i, j in itertools.combinations(range(len(case)), 2)}
