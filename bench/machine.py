"""Machine: on what was it measured? Without anything that names it."""

from __future__ import annotations

import os
import platform


def describe() -> str:
    """Processor, number of cores, system."""
    cores = len(os.sched_getaffinity(0))
    kernel = ".".join(platform.release().split(".")[:2])
    return f"{_value('/proc/cpuinfo', 'model name', ':')}, {cores} cores, {_system()}, Linux {kernel}"


def load(*, alone: bool) -> str:
    """How busy others keep it, and whether that matters."""
    priority = "with" if alone else "without"
    return f"Load average {os.getloadavg()[0]:.1f} at the start, measured {priority} real-time priority"


def _system() -> str:
    return _value("/etc/os-release", "PRETTY_NAME", "=")


def _value(path: str, key: str, separator: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except OSError:
        return "unknown"
    found = (line.split(separator, 1)[1] for line in lines if line.startswith(key))
    return next(found, "unknown").strip().strip('"')
