"""Measure what cli-analytics adds to a command, beside what people would use instead."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench import cpu, imports, installation, machine, memory, process, table, times
from bench.installation import Installation, InstallationError
from bench.network import NetworkError
from bench.options import Options, parse
from bench.part import Part
from bench.rounds import Say
from bench.variants import Untrue

PARTS: Mapping[str, Callable[[Installation, Options, Say], Part]] = {
    "time": times.measure,
    "memory": memory.measure,
    "cpu": cpu.measure,
    "imports": imports.measure,
}
FAILURES = (NetworkError, Untrue, InstallationError, OSError, subprocess.CalledProcessError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench. Exit status 1 where a part could not be measured; the others are, and are kept, all the same."""
    options = parse(arguments)
    try:
        found = installation.install(options.python)
    except FAILURES as error:
        print(error, file=sys.stderr)
        return 1
    _say(f"Python {found.version}; missing: {', '.join(found.missing) or 'nothing'}", ends=True)
    alone = process.take_priority()
    measured, failed = {}, False
    for name in options.parts:
        try:
            measured[name] = _measure(name, found, options, alone=alone)
        except FAILURES as error:
            _say(f"{name}: {error}", ends=True)
            failed = True
    if options.json:
        options.json.write_text(json.dumps({"packages": found.packages, **measured}, indent=1), encoding="utf-8")
    return 1 if failed else 0


def _measure(name: str, found: Installation, options: Options, *, alone: bool) -> dict[str, Any]:
    """Measure one part, print it, and fill its section at once: the next one may fail."""
    began, load = time.time(), machine.load(alone=alone)
    part = PARTS[name](found, options, lambda text: _say(f"{name}: {text}"))
    _say("", ends=True)
    took = f"{max(1, round((time.time() - began) / 60))} min, {time.strftime('%Y-%m-%d', time.gmtime())}"
    facts = f"{part.subject}; {machine.describe()}. {load}; {took}."
    text = f"{facts}\n\n{part.text}"
    print(text, end="\n\n", flush=True)
    if options.write is not None:
        table.write(options.readme, options.section(name), text)
    return {"facts": facts, "runs": part.runs}


def _say(text: str, *, ends: bool = False) -> None:
    """Progress, on one line of a terminal."""
    start = "\r\033[K" if sys.stderr.isatty() else ""
    if start or (ends and text):
        print(start + text, end="\n" if ends and text else "", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
