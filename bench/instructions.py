"""Instructions: how many a process executes, by valgrind. Unlike a time, the number is nearly the same on each run."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping

VALGRIND = shutil.which("valgrind")
SECONDS = 300  # fifty times as long as without
STEADY = {"PYTHONHASHSEED": "0"}  # or sets and dictionaries would differ from run to run

_COLLECTED = re.compile(r"Collected\s*:\s*(\d+)")


def count(command: list[str], environ: Mapping[str, str]) -> int:
    """The instructions of one run, without those of processes that it starts; 0 where valgrind can't tell."""
    if VALGRIND is None:
        return 0
    callgrind = [VALGRIND, "--tool=callgrind", "--callgrind-out-file=/dev/null", *command]
    environ = {**environ, **STEADY}
    try:
        run = subprocess.run(callgrind, env=environ, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return 0
    found = _COLLECTED.search(run.stderr)
    return int(found.group(1)) if found and run.returncode == 0 else 0
