"""Table: what the runs come to, in Markdown. Differences and ratios are to the bare run just before."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

from bench.ours import OptedOut, SenderStarted, Steady
from bench.rounds import Results
from bench.variants import Pair

README = Path(__file__).with_name("README.md")
BARE = "bare"
AIMS_MS = {Steady.name: 2, SenderStarted.name: 5, OptedOut.name: 2}  # at most so much more than bare


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


def markdown(measured: Mapping[str, Results]) -> str:
    """The summary over all networks, then a table for each."""
    rows = {network: _rows(results) for network, results in measured.items()}
    parts = [_summary(rows), *(_detail(network, found) for network, found in rows.items())]
    untrue = [f"* {text}" for results in measured.values() for text in results.untrue]
    if untrue:
        parts.append("Not counted, because the run did not do what it claims:\n\n" + "\n".join(untrue))
    return "\n\n".join(parts)


def write(section: str, text: str) -> None:
    """Replace what stands in README.md between `<!-- section -->` and `<!-- /section -->`. Raises ValueError."""
    start, end = f"<!-- {section} -->", f"<!-- /{section} -->"
    content = README.read_text(encoding="utf-8")
    if start not in content or end not in content:
        raise ValueError(f"bench/README.md has no section {start} … {end}")
    pattern = re.compile(re.escape(start) + ".*?" + re.escape(end), re.DOTALL)
    README.write_text(pattern.sub(lambda _: f"{start}\n\n{text}\n\n{end}", content), encoding="utf-8")


def _rows(results: Results) -> dict[str, Row]:
    """A row for each variant, and first one for all the bare runs."""
    bare = [Pair(pair.bare, pair.bare) for pairs in results.runs.values() for pair in pairs]
    return {BARE: row(bare), **{name: row(pairs) for name, pairs in results.runs.items() if pairs}}


def _summary(rows: Mapping[str, Mapping[str, Row]]) -> str:
    networks = list(rows)
    lines = [f"| added to bare, ms (× bare) | {' | '.join(networks)} | aim |", f"|---{'|--:' * len(networks)}|--:|"]
    for name in next(iter(rows.values())):
        cells = [_added(name, rows[network].get(name)) for network in networks]
        lines.append(
            f"| {name} | {' | '.join(cells)} | {_aim(name, [rows[n][name] for n in networks if name in rows[n]])} |"
        )
    return "\n".join(lines)


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
    return f"{_ms(found.more)} (× {_number(found.ratio)})"


def _detail(network: str, rows: Mapping[str, Row]) -> str:
    lines = [
        f"**{network}**\n",
        "| | runs | wall, ms: median (min–max) | − bare: median (middle half) | × bare | CPU − bare |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, found in rows.items():
        wall = f"{_capped(found)}{_number(found.wall)} ({_number(found.low)}–{_number(found.high)})"
        more = f"{_ms(found.more)} ({_ms(found.more_low)} … {_ms(found.more_high)})"
        beside = f"{more} | {_number(found.ratio)} | {_ms(found.more_cpu)} |"
        lines.append(f"| {name} | {found.runs} | {wall} | {beside if name != BARE else '| | |'}")
    return "\n".join(lines)


def _capped(found: Row) -> str:
    return "> " if found.capped else ""


def _ms(value: float) -> str:
    return f"{value:+.1f}" if abs(value) < 100 else f"{value:+.0f}"


def _number(value: float) -> str:
    """Three digits that count, more or less."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"
