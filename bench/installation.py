"""Installation: virtual environments of the bench's own, with the package of this checkout, and the peers in one.

They lie in .cache/bench/, which git ignores, and stay there; only the package is installed anew for every run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "bench"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
IMPORTS = Path(__file__).with_name("imports.txt")
NEEDED = frozenset({"click", "requests", "hatchling"})

_DESCRIBE = """
import importlib.metadata, json, platform, sysconfig
print(json.dumps({
    "version": platform.python_version(),
    "optimized": "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or ""),
    "packages": {found.metadata["Name"]: found.version for found in importlib.metadata.distributions()},
}))
"""


class InstallationError(Exception):
    """What every host needs could not be installed."""


class Installation(NamedTuple):
    """An interpreter to measure with. `missing` names the peers that could not be installed."""

    python: str
    version: str
    optimized: bool  # as its own configuration says; distributions may optimize without saying so there
    packages: dict[str, str]
    missing: tuple[str, ...]


def install(base: str) -> Installation:
    """An environment for the interpreter `base`. Raises CalledProcessError or InstallationError."""
    python = _environment(base, CACHE, REQUIREMENTS, _install_what_there_is)
    found = _describe(python)
    if NEEDED & set(found.missing):
        raise InstallationError(f"{base}: could not be installed: {', '.join(found.missing)}")
    _pip(python, "--no-deps", "--no-build-isolation", "--force-reinstall", str(ROOT), check=True)
    return _describe(python)


def build(python: str) -> Path:
    """A wheel of this checkout, built in an environment of `install`. Raises CalledProcessError."""
    folder = CACHE / "wheel"
    shutil.rmtree(folder, ignore_errors=True)
    command = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run([python, "-m", "pip", *command], env=_environ(), check=True)
    return next(folder.glob("*.whl"))


def install_wheel(base: str, wheel: Path) -> Installation:
    """An environment for `base` with the wheel, and what it needs, only. Raises CalledProcessError."""
    python = _environment(base, CACHE / "imports", IMPORTS, _install_all)
    _pip(python, "--no-deps", "--force-reinstall", str(wheel), check=True)
    return _describe(python)


def identity(base: str) -> str:
    """The version of an interpreter and where it is installed, in a word. Raises CalledProcessError or OSError."""
    words = _output(base, "-c", "import sys; print(sys.version.split()[0], sys.base_prefix.replace('/', '-'))")
    return words.strip().replace(" ", "")


def _environment(base: str, cache: Path, requirements: Path, install: Callable[[str, Path], None]) -> str:
    """The interpreter of an environment in `cache`, made anew where the requirements have changed."""
    folder = cache / identity(base)
    python = str(folder / "bin" / "python")
    kept = folder / requirements.name
    if not kept.exists() or kept.read_bytes() != requirements.read_bytes():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([base, "-m", "venv", str(folder)], check=True)
        install(python, requirements)
        shutil.copyfile(requirements, kept)
    return python


def _install_all(python: str, requirements: Path) -> None:
    _pip(python, "-r", str(requirements), check=True)


def _install_what_there_is(python: str, requirements: Path) -> None:
    """All at once; where that fails one by one, so that a peer that can't be had is missing alone."""
    if not _pip(python, "-r", str(requirements)):
        for requirement in _lines(requirements):
            _pip(python, requirement)


def _describe(python: str) -> Installation:
    found = json.loads(_output(python, "-c", _DESCRIBE))
    names = dict.fromkeys(requirement.split("==")[0] for requirement in _lines(REQUIREMENTS))
    missing = tuple(name for name in names if name not in found["packages"])
    return Installation(python, found["version"], found["optimized"], found["packages"], missing)


def _lines(requirements: Path) -> list[str]:
    lines = requirements.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _pip(python: str, *arguments: str, check: bool = False) -> bool:
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, env=_environ(), check=check).returncode == 0


def _output(python: str, *arguments: str) -> str:
    return subprocess.run([python, *arguments], env=_environ(), check=True, capture_output=True, text=True).stdout


def _environ() -> dict[str, str]:
    """Ours, but for what would keep modules from being compiled or found."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
