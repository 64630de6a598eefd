"""Measure what cli-analytics adds to a command, beside what people would use instead."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench import installation, machine, process, table
from bench.installation import Installation
from bench.network import BLACK_HOLE, HEALTHY, REFUSED, NetworkError, open_network
from bench.ours import FirstRun, OptedOut, OptedOutFromTheStart, SenderStarted, Steady
from bench.peers import Iterative, Posthog, Requests, Segment
from bench.rounds import Plan, Results, measure
from bench.variants import BareAgain, Pair, Untrue, Variant

OURS: tuple[type[Variant], ...] = (
    *(BareAgain, Steady, SenderStarted),
    *(OptedOut, OptedOutFromTheStart, FirstRun),
)
PEERS: tuple[type[Variant], ...] = (Requests, Iterative, Posthog, Segment)

EXAMPLES = """examples:
  python -m bench --quick                             only ours, two networks, a minute
  python -m bench --write                             everything, some eight minutes; fills the table in bench/README.md
  python -m bench --ours --python /usr/bin/python3    with another interpreter

The first run makes a virtual environment in .cache/bench/ with the packages of bench/requirements.txt. Everything is
sent to 127.0.0.1 and nowhere else. Linux only. As root it takes real-time priority, so that others who use the machine
do not get into the figures.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench. Exit status 1 where something could not be measured."""
    options = _parser().parse_args(arguments)
    if options.quick:
        options.ours, options.networks, options.rounds = True, [HEALTHY, REFUSED], min(options.rounds, 10)
    try:
        found = installation.install(options.python)
        _say(f"Python {found.version}; missing: {', '.join(found.missing) or 'nothing'}", ends=True)
        began, load = time.time(), machine.load(alone=process.take_priority())
        measured = {network: _on(network, found, options) for network in options.networks}
    except (NetworkError, Untrue, subprocess.CalledProcessError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    facts = _facts(found, load, time.time() - began, ours=options.ours)
    text = f"{facts}\n\n{table.markdown(measured)}"
    print(text)
    if options.json:
        Path(options.json).write_text(_json(facts, found, measured), encoding="utf-8")
    if options.write:
        table.write(options.write, text)
    return 0


def _on(network_name: str, found: Installation, options: argparse.Namespace) -> Results:
    """All rounds on one network."""
    network = open_network(network_name)
    kinds = OURS if options.ours else OURS + PEERS
    variants = [kind(found.python, network) for kind in kinds if kind.package not in found.missing]
    try:
        plan = Plan(options.rounds, options.peer_rounds, options.cap)
        return measure(variants, plan, lambda text: _say(f"{network_name}, {text}"))
    finally:
        for variant in variants:
            variant.close()
        network.close()
        _say("", ends=True)


def _facts(found: Installation, load: str, seconds: float, *, ours: bool) -> str:
    packages = ("click",) if ours else ("click", *(peer.package for peer in PEERS))
    versions = ", ".join(f"{name} {found.packages[name]}" for name in packages if name in found.packages)
    build = "with" if found.optimized else "without"
    text = (
        f"CPython {found.version}, configured {build} `--enable-optimizations`; {machine.describe()}; {versions}. "
        f"{load}; {seconds / 60:.0f} minutes, {time.strftime('%Y-%m-%d', time.gmtime())}."
    )
    return text if ours or not found.missing else f"{text} Could not be installed: {', '.join(found.missing)}."


def _json(facts: str, found: Installation, measured: dict[str, Results]) -> str:
    runs = {
        network: {name: [_plain(pair) for pair in pairs] for name, pairs in results.runs.items()}
        for network, results in measured.items()
    }
    return json.dumps({"facts": facts, "packages": found.packages, "runs": runs}, indent=1)


def _plain(pair: Pair) -> dict[str, object]:
    return {"bare": pair.bare._asdict(), "run": pair.run._asdict()}


def _say(text: str, *, ends: bool = False) -> None:
    """Progress, on one line of a terminal."""
    start = "\r\033[K" if sys.stderr.isatty() else ""
    if start or ends:
        print(start + text, end="\n" if ends else "", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    networks = (HEALTHY, BLACK_HOLE, REFUSED)
    parser.add_argument("--quick", action="store_true", help="only ours, healthy and refused, at most 10 rounds")
    parser.add_argument("--ours", action="store_true", help="without the peers")
    parser.add_argument("--rounds", type=int, default=31, metavar="N", help="rounds per network (31)")
    parser.add_argument("--peer-rounds", type=int, default=9, metavar="N", help="rounds with the peers (9)")
    parser.add_argument("--cap", type=float, default=60, metavar="SECONDS", help="end a run that takes longer (60)")
    parser.add_argument("--networks", nargs="+", choices=networks, default=list(networks), metavar="NAME")
    parser.add_argument("--python", default=sys.executable, metavar="PATH", help="the interpreter to measure with")
    parser.add_argument("--json", metavar="FILE", help="write every run to FILE")
    parser.add_argument(
        *("--write",), nargs="?", const="measured", metavar="SECTION", help="fill the table in bench/README.md"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
