"""Installation: a virtual environment of the bench's own, with the package of this checkout and the peers.

It lies in .cache/bench/, which git ignores, and stays there; only the package is installed anew for every run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "bench"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")

_DESCRIBE = """
import importlib.metadata, json, platform, sysconfig
print(json.dumps({
    "version": platform.python_version(),
    "optimized": "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or ""),
    "packages": {found.metadata["Name"]: found.version for found in importlib.metadata.distributions()},
}))
"""


class Installation(NamedTuple):
    """An interpreter to measure with. `missing` names the peers that could not be installed."""

    python: str
    version: str
    optimized: bool  # as its own configuration says; distributions may optimize without saying so there
    packages: dict[str, str]
    missing: tuple[str, ...]


def install(base: str) -> Installation:
    """An environment for the interpreter `base`. Raises CalledProcessError where ours can't be installed."""
    version = _output(base, "-c", "import sys; print(sys.version.split()[0], sys.base_prefix.replace('/', '-'))")
    folder = CACHE / version.strip().replace(" ", "")
    python = str(folder / "bin" / "python")
    kept = folder / REQUIREMENTS.name
    if not kept.exists() or kept.read_bytes() != REQUIREMENTS.read_bytes():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([base, "-m", "venv", str(folder)], check=True)
        _install_requirements(python)
        shutil.copyfile(REQUIREMENTS, kept)
    _pip(python, "--no-deps", "--no-build-isolation", "--force-reinstall", str(ROOT), check=True)
    return _describe(python)


def _install_requirements(python: str) -> None:
    """All at once; where that fails one by one, so that a peer that can't be had is missing alone."""
    if not _pip(python, "-r", str(REQUIREMENTS)):
        for requirement in _requirements():
            _pip(python, requirement)


def _describe(python: str) -> Installation:
    found = json.loads(_output(python, "-c", _DESCRIBE))
    names = [requirement.split("==")[0] for requirement in _requirements()]
    missing = tuple(name for name in names if name not in found["packages"])
    return Installation(python, found["version"], found["optimized"], found["packages"], missing)


def _requirements() -> list[str]:
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _pip(python: str, *arguments: str, check: bool = False) -> bool:
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, env=_environ(), check=check).returncode == 0


def _output(python: str, *arguments: str) -> str:
    return subprocess.run([python, *arguments], env=_environ(), check=True, capture_output=True, text=True).stdout


def _environ() -> dict[str, str]:
    """Ours, but for what would keep modules from being compiled or found."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
