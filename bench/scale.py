"""Scale: a small process between the bench and a host that is weighed. Run as a script; imports nothing of the bench.

    scale.py FILE COMMAND…        writes the peak of the command's memory to FILE, in KiB, and ends as the command ends

Linux counts into a process's ru_maxrss what it had in common with its parent before it became another program: a host
that the bench started itself would seem to need as much memory as the bench. This parent needs less than any host.
"""

from __future__ import annotations

import os
import sys


def main(file: str, command: list[str]) -> int:
    """Run the command with our own stdio and environment: its exit status, 128 and the number for a signal."""
    pid = os.posix_spawn(command[0], command, os.environ)
    _, status, usage = os.wait4(pid, 0)
    own = _own_peak()
    if usage.ru_maxrss <= own:
        raise SystemExit(f"the command needed no more than this scale ({own} KiB), so its peak is not known")
    with open(file, "w", encoding="ascii") as out:
        out.write(str(usage.ru_maxrss))
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def _own_peak() -> int:
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
