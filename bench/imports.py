"""Imports: what it costs to import us, and to record, on every interpreter that is found."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import NamedTuple

from bench import installation, instructions, interpreters, process, rounds
from bench.installation import Installation
from bench.network import REFUSED, Network, open_network
from bench.options import Options
from bench.ours import Steady
from bench.part import Part, plain
from bench.rounds import Plan, Results, Say
from bench.table import markdown, number, signed
from bench.variants import Pair, Variant

CAP_SECONDS = 60.0
OURS = "cli_analytics"
HEADER = (
    *("Python", "click", "import click, ms", "import cli_analytics: wall (CPU), ms", "modules: ours + others"),
    *("hello, ms", "recording: wall (CPU), ms", "modules: ours + others", "hello, M instructions", "recording: %"),
)

_IMPORTED = re.compile(r"^import time:\s*\d+ \|\s*\d+ \|\s*(\S+)$", re.MULTILINE)


class Import(Variant):
    """A process that imports us too, beside one that imports click alone."""

    name = "import cli_analytics"
    script = "import_ours.py"
    bare_script = "import_click.py"


class Counts(NamedTuple):
    """What does not change from run to run, of one variant and of what it is compared with."""

    ours: int  # modules
    others: int  # modules that the bare one does not import
    bare: int  # instructions; 0 where they were not counted
    run: int


class Cost(NamedTuple):
    """All of one interpreter."""

    click: str
    results: Results
    imported: Counts
    recording: Counts


def measure(found: Installation, options: Options, say: Say) -> Part:
    """Every interpreter in turn; one whose packages can't be installed is named."""
    there = interpreters.find(options.python, options.interpreters)
    main = installation.identity(options.python)
    costs, missing = {}, list(there.missing)
    network = open_network(REFUSED)
    try:
        with process.ordinary_priority():
            wheel = installation.build(found.python)
        for name, path in there.paths.items():
            say(name)
            try:
                with process.ordinary_priority():
                    installed = installation.install_wheel(path, wheel)
            except subprocess.CalledProcessError:
                missing.append(f"{name} (its packages can't be installed)")
                continue
            counted = not options.quick or installation.identity(path) == main
            costs[name] = _cost(installed, network, options, counted=counted)
    finally:
        network.close()
    runs = {
        name: {kind: [plain(pair) for pair in pairs] for kind, pairs in cost.results.runs.items()}
        for name, cost in costs.items()
    }
    return Part("CPython", text(costs, missing), runs)


def text(costs: dict[str, Cost], missing: Sequence[str]) -> str:
    """A row for each interpreter, and the names of those that are not in the table."""
    parts = [markdown(HEADER, [_row(name, cost) for name, cost in costs.items()])]
    missing = [*missing, *([] if instructions.VALGRIND else ["instructions (no valgrind)"])]
    parts += [f"Not measured: {', '.join(missing)}."] if missing else []
    return "\n\n".join([*parts, *(found for cost in costs.values() if (found := cost.results.not_counted()))])


def _cost(installed: Installation, network: Network, options: Options, *, counted: bool) -> Cost:
    variants = (Import(installed.python, network), Steady(installed.python, network))
    plan = Plan(options.import_rounds, options.import_rounds, CAP_SECONDS)
    results = rounds.measure(variants, plan, lambda _: None)
    with process.ordinary_priority():
        imported = _counts(Import(installed.python, network), counted=False)
        recording = _counts(Steady(installed.python, network), counted=counted)
    return Cost(installed.packages["click"], results, imported, recording)


def _counts(variant: Variant, *, counted: bool) -> Counts:
    """Modules and, where asked for, instructions. The two hosts run at once: a count does not mind."""
    try:
        variant.prepare()
        bare, run = (_modules(variant, script) for script in (variant.bare_script, variant.script))
        _check(variant)
        ours = {name for name in run if name.split(".")[0] == OURS}
        found = [0, 0]
        if counted:
            commands = [variant.command(script) for script in (variant.bare_script, variant.script)]
            with ThreadPoolExecutor() as pool:
                found = list(pool.map(lambda command: instructions.count(command, variant.environ()), commands))
            _check(variant)
        return Counts(len(ours), len(run - bare - ours), *found)
    finally:
        variant.close()


def _check(variant: Variant) -> None:
    """What claims to have recorded did so since the last time, and no pause ended meanwhile. Raises Untrue."""
    if isinstance(variant, Steady):
        variant.expect_recorded()
        variant.expect(variant.pause_seconds() > 0, "a sender may have been started")
        variant.remember()


def _modules(variant: Variant, script: str) -> set[str]:
    """What a host imports, from its start to its end."""
    python, *rest = variant.command(script)
    command = [python, "-X", "importtime", *rest]
    run = subprocess.run(command, env=variant.environ(), check=True, capture_output=True, text=True)
    return set(_IMPORTED.findall(run.stderr))


def _row(name: str, cost: Cost) -> tuple[str, ...]:
    imports, recordings = (cost.results.runs[kind.name] for kind in (Import, Steady))
    bare = cost.recording.bare
    counted = ("", "")
    if bare and cost.recording.run:
        counted = (f"{bare / 1e6:.1f}", f"{(cost.recording.run / bare - 1) * 100:+.1f} %")
    return (
        *(name, cost.click),
        *(_bare(imports), _added(imports), f"{cost.imported.ours} + {cost.imported.others}"),
        *(_bare(recordings), _added(recordings), f"{cost.recording.ours} + {cost.recording.others}"),
        *counted,
    )


def _bare(pairs: Sequence[Pair]) -> str:
    return number(median(pair.bare.wall_ms for pair in pairs))


def _added(pairs: Sequence[Pair]) -> str:
    """Medians of the differences to the bare run just before."""
    wall = median(pair.run.wall_ms - pair.bare.wall_ms for pair in pairs)
    cpu = median(pair.run.cpu_ms - pair.bare.cpu_ms for pair in pairs)
    return f"{signed(wall)} ({signed(cpu)})"
