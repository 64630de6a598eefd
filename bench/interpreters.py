"""Interpreters: which Pythons are there? Those of pyenv, the system's, and the one the bench measures with."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from bench import installation

SYSTEM = "/usr/bin/python3"
SUPPORTED = tuple(f"3.{minor}" for minor in range(9, 15))


class Found(NamedTuple):
    """Interpreters to measure with, by name, and what to say of those that there are not."""

    paths: dict[str, str]
    missing: list[str]


def find(main: str, given: Iterable[str] | None) -> Found:
    """Every interpreter once, oldest first; of a version that is supported, unless `given`."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = given if given is not None else [main, SYSTEM, *map(str, pyenv.glob("3.*/bin/python3"))]
    known: dict[str, str] = {}
    missing = []
    for path in candidates:
        try:
            known.setdefault(installation.identity(path), path)
        except (OSError, subprocess.CalledProcessError):
            missing.append(f"{path} (does not run)")
    named = {_name(identity): path for identity, path in sorted(known.items(), key=lambda item: _numbers(item[0]))}
    if given is not None:
        return Found(named, missing)
    supported = {name: path for name, path in named.items() if _minor(name) in SUPPORTED}
    absent = [version for version in SUPPORTED if version not in {_minor(name) for name in supported}]
    return Found(supported, [*(f"{version} (not found)" for version in absent), *missing])


def _name(identity: str) -> str:
    """`3.11.7`, and of the system's that it is the system's."""
    version, _, prefix = identity.partition("-")
    return f"{version}, the system's" if prefix == "usr" else version


def _minor(name: str) -> str:
    return ".".join(name.split(".")[:2])


def _numbers(identity: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", identity.partition("-")[0])))
