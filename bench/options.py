"""Options: what can be asked of the bench."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import table
from bench.network import BLACK_HOLE, HEALTHY, REFUSED

NETWORKS = (HEALTHY, BLACK_HOLE, REFUSED)
SECTIONS = {"time": "measured", "memory": "memory", "cpu": "cpu", "imports": "imports"}  # of README.md

EXAMPLES = """examples:
  python -m bench --quick                             a little of everything, without the peers, two minutes
  python -m bench --write                             everything, some twelve minutes; fills the tables in README.md
  python -m bench --parts memory cpu --write          only these, and only their tables
  python -m bench --ours --python /usr/bin/python3 --write debian    times only, with another interpreter

The first run makes a virtual environment in .cache/bench/ with the packages of bench/requirements.txt, and one for each
interpreter with those of bench/imports.txt. Everything is sent to 127.0.0.1 and nowhere else. Linux only. As root it
takes real-time priority, so that others who use the machine do not get into the figures.
"""


class Options(argparse.Namespace):
    """As given, `quick` applied."""

    quick: bool
    parts: list[str]
    ours: bool
    rounds: int
    peer_rounds: int
    memory_rounds: int
    cpu_runs: int
    import_rounds: int
    cap: float
    networks: list[str]
    python: str
    interpreters: list[str] | None
    json: Path | None
    write: str | None
    readme: Path

    def section(self, part: str) -> str:
        """The section of README.md that a part fills."""
        return self.write or SECTIONS[part]


def parse(arguments: Sequence[str] | None) -> Options:
    """The options. A section of another name is for times."""
    options = _parser().parse_args(arguments, namespace=Options())
    if options.write:
        options.parts = ["time"]
    if options.quick:
        options.ours, options.networks = True, [HEALTHY, REFUSED]
        options.rounds = min(options.rounds, 7)
        options.memory_rounds = min(options.memory_rounds, 2)
        options.cpu_runs = min(options.cpu_runs, 200)
        options.import_rounds = min(options.import_rounds, 3)
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure what cli-analytics adds to a command, beside what people would use instead.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    quick = "without the peers, healthy and refused, few runs, instructions with one interpreter only"
    add("--quick", action="store_true", help=quick)
    add("--parts", nargs="+", choices=SECTIONS, default=list(SECTIONS), metavar="PART", help=", ".join(SECTIONS))
    add("--ours", action="store_true", help="without the peers")
    add("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS), metavar="NAME", help=", ".join(NETWORKS))
    add("--rounds", type=_count, default=31, metavar="N", help="time: rounds per network (31)")
    add("--peer-rounds", type=_count, default=9, metavar="N", help="time: rounds with the peers (9)")
    add("--cap", type=float, default=60, metavar="SECONDS", help="time: end a run that takes longer (60)")
    add("--memory-rounds", type=_count, default=5, metavar="N", help="memory: rounds (5)")
    add("--cpu-runs", type=_count, default=1000, metavar="N", help="cpu: runs in a row of each host, in tens (1000)")
    add("--import-rounds", type=_count, default=11, metavar="N", help="imports: rounds per interpreter (11)")
    interpreters = "imports: with these (those of pyenv, /usr/bin/python3 and --python)"
    add("--interpreters", nargs="+", metavar="PATH", help=interpreters)
    add("--python", default=sys.executable, metavar="PATH", help="the interpreter to measure with")
    add("--json", type=Path, metavar="FILE", help="write every run to FILE")
    write = "fill the tables in README.md; with SECTION: times only, into that one"
    add("--write", nargs="?", const="", metavar="SECTION", help=write)
    add("--readme", type=Path, default=table.README, metavar="FILE", help="fill the tables of this copy of README.md")
    return parser


def _count(text: str) -> int:
    """A number of rounds or runs: one at least. Raises ValueError."""
    if int(text) < 1:
        raise ValueError(text)
    return int(text)
