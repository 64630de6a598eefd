"""Memory: the peak of what is resident, of hosts and of the processes they leave behind. On the healthy network."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from bench import process, rounds
from bench.installation import Installation
from bench.network import HEALTHY, open_network
from bench.options import Options
from bench.ours import OURS
from bench.part import Part, plain, subject
from bench.peers import PEERS
from bench.rounds import Plan, Results, Say
from bench.senders import PEER_SENDERS, SENDERS
from bench.table import markdown, number
from bench.variants import Pair

CAP_SECONDS = 60.0  # nothing hangs where a server answers
HEADER = ("", "runs", "peak, MiB: median (min–max)", "− bare, MiB", "× bare")


def measure(found: Installation, options: Options, say: Say) -> Part:
    """All variants, then the senders; each beside the bare run just before it."""
    kinds = (*OURS, *SENDERS) if options.ours else (*OURS, *PEERS, *SENDERS, *PEER_SENDERS)
    network = open_network(HEALTHY)
    try:
        variants = [kind(found.python, network) for kind in kinds if kind.package not in found.missing]
        for variant in variants:
            variant.launch = process.weigh
        plan = Plan(options.memory_rounds, options.memory_rounds, CAP_SECONDS)
        results = rounds.measure(variants, plan, say)
    finally:
        network.close()
    runs = {name: [plain(pair) for pair in pairs] for name, pairs in results.runs.items()}
    packages = ("click", "requests") if options.ours else ("click", *(peer.package for peer in PEERS))
    return Part(subject(found, packages), text(results), runs)


def text(results: Results) -> str:
    """A row for all the bare runs, then one for each variant."""
    bare = [Pair(pair.bare, pair.bare) for pairs in results.runs.values() for pair in pairs]
    rows = [_row("bare", bare)[:3] + ("", ""), *(_row(name, pairs) for name, pairs in results.runs.items() if pairs)]
    return "\n\n".join(part for part in (markdown(HEADER, rows), results.not_counted()) if part)


def _row(name: str, pairs: Sequence[Pair]) -> tuple[str, ...]:
    peaks = [pair.run.peak_mib for pair in pairs]
    more = median(pair.run.peak_mib - pair.bare.peak_mib for pair in pairs)
    ratio = median(pair.run.peak_mib / pair.bare.peak_mib for pair in pairs)
    spread = f"{median(peaks):.1f} ({min(peaks):.1f}–{max(peaks):.1f})"
    return name, str(len(pairs)), spread, f"{more:+.2f}" if abs(more) < 10 else f"{more:+.1f}", number(ratio)
