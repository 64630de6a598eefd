"""What `make test` runs: lint, types, floors and docs once; the tests on every Python that is found.

Slow tests, and those that depend little on the Python they run on, run on the one that nox itself runs on; the others
run everything else. What is tested on a Docker engine has a session of its own, for it would be slow beside the others.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import nox
from nox.command import CommandFailed

PYTHONS = ["3.9", "3.10", "3.11", "3.12", "3.13", "3.14"]
MAIN = f"{sys.version_info[0]}.{sys.version_info[1]}"
TOUCHING_DEPENDENCIES = (
    *("click", "click_trees", "endings", "users_in_trees", "user_commands", "storage"),
    *("delivery", "delivery_proxies", "delivery_trust", "network_faults"),
)
# What tests of shells and containers use, and the package of Debian that has it, where that has another name.
COMMANDS = dict.fromkeys(
    ("bash", "busybox", "curl", "dash", "debootstrap", "mksh", "posh", "shellcheck", "wget", "yash", "zsh"), ""
)
COMMANDS.update(flock="util-linux", ksh93="ksh93u+m", nsenter="util-linux")
ENGINE = "tests/engine"
WITHOUT_ENGINE = ("--ignore", ENGINE)
MANIFEST, PAGE = "cli_analytics/demo/analytics.toml", "docs/ANALYTICS.md"

nox.needs_version = ">=2024.4.15"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "docs", "tests", "oldest", "engine"]

# pyenv puts only shims on the path, which refuse a version that is not switched on.
_pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
os.environ["PATH"] = os.pathsep.join([*map(str, sorted(_pyenv.glob("3.*/bin"))), os.environ["PATH"]])
os.environ["UV_PYTHON_DOWNLOADS"] = "never"  # a Python that is not here is skipped by name
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # every process that a test starts would compile everything anew


@nox.session(python=MAIN)
def lint(session: nox.Session) -> None:
    """Format, rules, types and floors."""
    session.install("-e", ".[collector,reports]", "--group", "lint", "--group", "test", "nox")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("mypy")
    session.run("lint-imports", "--no-cache")


@nox.session(python=MAIN)
def docs(session: nox.Session) -> None:
    """The generated page says what the manifest says."""
    session.install("-e", ".")
    session.run("cli-analytics", "check", MANIFEST)
    session.run("cli-analytics", "docs", MANIFEST, "--out", PAGE, "--check")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The tests, with the newest versions of what they need."""
    session.install("-e", ".[collector,reports]", "--group", "test")
    if session.python == MAIN:
        _install_commands(session)
        _test(session, *WITHOUT_ENGINE, "-m", "alone", processes=1)
    _test(session, *WITHOUT_ENGINE, "-m", "not alone" if session.python == MAIN else "not slow")


@nox.session(python="3.9")
def oldest(session: nox.Session) -> None:
    """What touches click and the other dependencies, with the oldest versions that are allowed."""
    oldest = ["click==8.1.0", "platformdirs==3.0.0", "requests==2.28.0", "tomli==2.0.0"]
    session.install("-e", ".", "--group", "test", *oldest)
    _test(session, "-m", "not slow", "tests/promises", *(f"tests/test_{name}.py" for name in TOUCHING_DEPENDENCIES))
    _test(session, "-k", "not under_a_fault", "tests/promises/test_never_breaks_the_host.py")


@nox.session(python=MAIN)
def engine(session: nox.Session) -> None:
    """Containers on a Docker engine; where there is none they are skipped, unless TEST_ENGINE=required."""
    session.install("-e", ".[collector,reports]", "--group", "test")
    _install_commands(session)
    _test(session, "-m", "not alone", ENGINE, processes=2)
    _test(session, "-m", "alone", ENGINE, processes=1)


def _install_commands(session: nox.Session) -> None:
    """From Debian's packages, where that is allowed; what is still missing then is skipped by name."""
    missing = sorted({package or command for command, package in COMMANDS.items() if shutil.which(command) is None})
    if not missing or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    environ = {"DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *missing]):
        session.run("apt-get", "-qq", *arguments, env=environ, external=True, silent=True, success_codes=range(256))


def _test(session: nox.Session, *options: str, processes: int = 4) -> None:
    """Run tests beside each other, four on two processors, for they wait for processes of their own.

    What fails is run once more, alone: of what depends on time only that tells a fault from a busy machine. Its name is
    in the output. Few are handed out at once, for some take minutes.
    """
    chosen = (*options, *session.posargs)
    beside = ("-n", str(processes), "--maxschedchunk", "2") if processes > 1 else ()
    try:
        session.run("pytest", "-q", *beside, *chosen)
    except CommandFailed:
        session.warn("some tests failed; these are run once more, alone")
        session.run("pytest", "-q", "--last-failed", "--last-failed-no-failures", "none", *chosen)
