"""Times: how much longer an instrumented command takes. Differences and ratios are to the bare run just before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median, quantiles
from typing import NamedTuple

from bench import rounds
from bench.installation import Installation
from bench.network import open_network
from bench.options import Options
from bench.ours import OURS, OptedOut, SenderStarted, Steady
from bench.part import Part, plain, subject
from bench.peers import PEERS
from bench.rounds import Plan, Results, Say
from bench.table import markdown, number, signed
from bench.variants import Pair

BARE = "bare"
AIMS_MS = {Steady.name: 2, SenderStarted.name: 5, OptedOut.name: 2}  # at most so much more than bare
DETAIL = ("", "runs", "wall, ms: median (min–max)", "− bare: median (middle half)", "× bare", "CPU − bare")


class Row(NamedTuple):
    """One variant on one network; milliseconds."""

    runs: int
    capped: bool
    wall: float
    low: float
    high: float
    more: float  # the median of the differences to bare
    more_low: float  # half of the differences lie between these two
    more_high: float
    ratio: float
    more_cpu: float


def measure(found: Installation, options: Options, say: Say) -> Part:
    """All variants on all networks."""
    results = {name: _on(name, found, options, say) for name in options.networks}
    packages = ("click",) if options.ours else ("click", *(peer.package for peer in PEERS))
    runs = {
        network: {name: [plain(pair) for pair in pairs] for name, pairs in result.runs.items()}
        for network, result in results.items()
    }
    missing = f"; could not be installed: {', '.join(found.missing)}" if found.missing and not options.ours else ""
    return Part(subject(found, packages) + missing, text(results), runs)


def _on(name: str, found: Installation, options: Options, say: Say) -> Results:
    """All rounds on one network."""
    kinds = OURS if options.ours else OURS + PEERS
    network = open_network(name)
    try:
        variants = [kind(found.python, network) for kind in kinds if kind.package not in found.missing]
        plan = Plan(options.rounds, options.peer_rounds, options.cap)
        return rounds.measure(variants, plan, lambda progress: say(f"{name}, {progress}"))
    finally:
        network.close()


def text(results: Mapping[str, Results]) -> str:
    """The summary over all networks, then a table for each."""
    rows = {network: _rows(result) for network, result in results.items()}
    parts = [_summary(rows), *(_detail(network, found) for network, found in rows.items())]
    untrue = [text for result in results.values() if (text := result.not_counted())]
    return "\n\n".join([*parts, *untrue])


def row(pairs: Sequence[Pair]) -> Row:
    """What the runs of one variant come to, each beside the bare run just before it."""
    walls = [pair.run.wall_ms for pair in pairs]
    more = [pair.run.wall_ms - pair.bare.wall_ms for pair in pairs]
    low, _, high = quantiles(more, n=4) if len(more) > 1 else (more[0],) * 3
    return Row(
        len(walls),
        any(pair.run.capped for pair in pairs),
        median(walls),
        min(walls),
        max(walls),
        median(more),
        low,
        high,
        median(pair.run.wall_ms / pair.bare.wall_ms for pair in pairs),
        median(pair.run.cpu_ms - pair.bare.cpu_ms for pair in pairs),
    )


def _rows(results: Results) -> dict[str, Row]:
    """A row for each variant, and first one for all the bare runs."""
    bare = [Pair(pair.bare, pair.bare) for pairs in results.runs.values() for pair in pairs]
    return {BARE: row(bare), **{name: row(pairs) for name, pairs in results.runs.items() if pairs}}


def _summary(rows: Mapping[str, Mapping[str, Row]]) -> str:
    lines = []
    for name in next(iter(rows.values())):
        found = [network.get(name) for network in rows.values()]
        lines.append((name, *(_added(name, row) for row in found), _aim(name, [row for row in found if row])))
    return markdown(("added to bare, ms (× bare)", *rows, "aim"), lines)


def _aim(name: str, found: Sequence[Row]) -> str:
    """The aim, and whether it was reached on every network."""
    if name not in AIMS_MS:
        return ""
    reached = all(row.more <= AIMS_MS[name] for row in found)
    return f"≤ {AIMS_MS[name]}: {'reached' if reached else 'missed'}"


def _added(name: str, found: Row | None) -> str:
    if found is None:
        return "–"
    if name == BARE:
        return f"{found.wall:.1f} in all"
    if found.capped:
        return f"> {found.wall / 1000:.0f} s"
    return f"{signed(found.more)} (× {number(found.ratio)})"


def _detail(network: str, rows: Mapping[str, Row]) -> str:
    lines = []
    for name, found in rows.items():
        wall = f"{_capped(found)}{number(found.wall)} ({number(found.low)}–{number(found.high)})"
        more = f"{signed(found.more)} ({signed(found.more_low)} … {signed(found.more_high)})"
        beside = (more, number(found.ratio), signed(found.more_cpu)) if name != BARE else ("", "", "")
        lines.append((name, str(found.runs), wall, *beside))
    return f"**{network}**\n\n{markdown(DETAIL, lines)}"


def _capped(found: Row) -> str:
    return "> " if found.capped else ""
