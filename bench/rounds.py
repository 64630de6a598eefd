"""Rounds: every variant once per round, in an order that rotates, so that a busy machine is busy for all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from bench.variants import Pair, Untrue, Variant

SLOW_MS = 2_000
SLOW_RUNS = 3  # of a variant that takes longer than that; one that was capped is not run again
MAX_UNTRUE = 5
WARM_SECONDS = 3.0  # long enough for every import

Say = Callable[[str], None]


class Plan(NamedTuple):
    """How often. Peers (variants that need a package) take part in the first `peer_rounds` rounds only."""

    rounds: int
    peer_rounds: int
    cap_seconds: float


class Results:
    """The runs of each variant. `untrue` says which runs did not do what they claim; they do not count."""

    def __init__(self, names: Sequence[str]) -> None:
        self.runs: dict[str, list[Pair]] = {name: [] for name in names}
        self.untrue: list[str] = []

    def not_counted(self) -> str:
        """What to say of the runs that do not count; nothing where there are none."""
        lines = "\n".join(f"* {text}" for text in self.untrue)
        return f"Not counted, because the run did not do what it claims:\n\n{lines}" if lines else ""


def measure(variants: Sequence[Variant], plan: Plan, say: Say) -> Results:
    """Run all rounds, then close the variants. Raises Untrue when too many runs do not do what they claim."""
    try:
        return _all_rounds(variants, plan, say)
    finally:
        for variant in variants:
            variant.close()


def _all_rounds(variants: Sequence[Variant], plan: Plan, say: Say) -> Results:
    names = [variant.name for variant in variants]
    results = Results(names)
    for variant in variants:
        variant.cap_seconds = WARM_SECONDS
        _attempt(variant, Results(names))  # modules get compiled, folders made; what is untrue will show below
        variant.cap_seconds = plan.cap_seconds
    for number in range(plan.rounds):
        turn = number % len(variants)
        for variant in (*variants[turn:], *variants[:turn]):
            if _has_turn(variant, results, number, plan):
                _attempt(variant, results)
                say(f"round {number + 1} of {plan.rounds}: {variant.name}")
        if len(results.untrue) > MAX_UNTRUE:
            raise Untrue("\n".join(results.untrue))
    return results


def _has_turn(variant: Variant, results: Results, number: int, plan: Plan) -> bool:
    runs = [pair.run for pair in results.runs[variant.name]]
    if any(run.capped for run in runs) or sum(run.wall_ms > SLOW_MS for run in runs) >= SLOW_RUNS:
        return False
    return number < (plan.peer_rounds if variant.package else plan.rounds)


def _attempt(variant: Variant, results: Results) -> None:
    try:
        results.runs[variant.name].append(variant.measure())
    except Untrue as error:
        results.untrue.append(str(error))
        variant.reset()
