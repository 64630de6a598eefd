"""Context: on what machine? A closed list, the same for every host; gate.py says what each may hold.

Nothing here names a machine: no host name, no address, no locale, no kernel release. The number of processors is cut
down to a power of two.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from cli_analytics import __version__, environment, event

MAX_CPUS = 128  # more would single out a machine


def build(tool: str, version: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """The context of an event of `tool`."""
    system, machine = _platform()
    return {
        "ip": event.IP,
        "library": {"name": "cli-analytics", "version": __version__},
        "app": {"name": tool, "version": version},
        "os": {"name": system},
        "arch": machine,
        "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "cpus": _cpus(),
        "ci": environment.ci_vendor(environ),
        "container": _container(environ),
    }


def _platform() -> tuple[str, str]:
    """Names as os.uname has them; the platform module would cost more than the rest of the run."""
    if sys.platform == "win32":
        return "Windows", os.environ.get("PROCESSOR_ARCHITECTURE", "other")
    name = os.uname()
    return name.sysname, name.machine


def _cpus() -> int:
    """The processors this process may use, cut down to a power of two."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(1 << (usable.bit_length() - 1), MAX_CPUS)


def _container(environ: Mapping[str, str]) -> str:
    if environ.get("KUBERNETES_SERVICE_HOST"):
        return "kubernetes"
    if os.path.exists("/.dockerenv"):
        return "docker"
    if os.path.exists("/run/.containerenv"):
        return "podman"
    return "other" if environ.get("container") else "none"
