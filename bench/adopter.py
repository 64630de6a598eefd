"""Adopter: a process that runs one host in a row, and is the parent of whatever that leaves behind.

    adopter.py COMMAND…     a line with a number runs it that many times: [[cpu_ms, status], …] is the answer
                            the end of the input waits until all that was left behind has ended: [cpu_ms, …]

A sender is nobody's child. Linux gives what has no parent any more to the nearest ancestor that asked for it, a
subreaper (prctl(2)), and wait4(2) then tells it what that process used. Run as a script; imports nothing of the bench.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import sys
from typing import Any

PR_SET_CHILD_SUBREAPER = 36


def main(command: list[str]) -> None:
    """Answer until the input ends."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    left: list[float] = []
    for line in sys.stdin:
        print(json.dumps([_run(command, left) for _ in range(int(line))]), flush=True)
    try:
        while True:
            left.append(_cpu_ms(os.wait4(-1, 0)[2]))
    except ChildProcessError:
        print(json.dumps(left), flush=True)


def _run(command: list[str], left: list[float]) -> tuple[float, int]:
    """One run, from its start to its end; what others left behind and has ended meanwhile is added to `left`."""
    actions: list[Any] = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=actions)
    while True:
        ended, status, usage = os.wait4(-1, 0)
        if ended == pid:
            return _cpu_ms(usage), status
        left.append(_cpu_ms(usage))


def _cpu_ms(usage: resource.struct_rusage) -> float:
    """Of the process, and of those children of its own that it waited for."""
    return round((usage.ru_utime + usage.ru_stime) * 1000, 3)


if __name__ == "__main__":
    main(sys.argv[1:])
