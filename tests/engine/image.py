"""Image: what the tests of containers run in. Made on this machine, for there may be no registry within reach.

    base     Debian with Python and curl, by debootstrap; made once a machine, and kept
    jotter   examples/container on that base, with this tree's package
    probe    the same with a tool that ends in every way

A name ends in a hash of what went into the image, so one that is there is the right one. Those of this tree are kept
for the next time, older ones go.
"""

from __future__ import annotations

import atexit
import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NoReturn

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "container"
PROBE = Path(__file__).with_name("probe")

BASE = "cli-analytics-test-base"
MADE = "cli-analytics-test"
LABEL = "cli-analytics.test"

SUITE = "bookworm"
PACKAGES = "python3-venv,ca-certificates,curl,busybox,strace"
LEFT_OUT = (
    *("var/cache/apt/*", "var/lib/apt/lists/*", "var/log/*", "usr/share/doc/*", "usr/share/man/*"),
    *("usr/share/locale/*", "dev/*", "proc/*", "sys/*"),
)
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SETTINGS = (f"ENV PATH={PATH}", "ENV LANG=C.UTF-8", 'CMD ["sh"]')
DEPENDENCIES = ("click", "platformdirs", "requests")
PYTHON = "3.11"  # that of the suite

_LOCKS = Path(tempfile.gettempdir()) / f"cli-analytics-test-{os.getuid()}"


_unavailable: list[str] = []  # why there is no image; asked once
_ours: list[str] = []  # the images of this tree


def docker(*arguments: str, check: bool = True, **options: object) -> subprocess.CompletedProcess[str]:
    """Run the client of the engine, with none of the user's settings."""
    settings = {"capture_output": True, "text": True, "timeout": 300, **options}
    return subprocess.run(["docker", *arguments], check=check, **settings)  # type: ignore[call-overload,no-any-return]


def _engine_is_missing() -> str:
    if shutil.which("docker") is None:
        return "docker is not installed"
    try:
        found = docker("version", "--format", "{{.Server.Os}}", check=False, timeout=20)
    except subprocess.TimeoutExpired:
        return "docker: the engine does not answer"
    return "" if found.stdout.strip() == "linux" else "docker: no engine answers"


_missing = _engine_is_missing()
_is_required = os.environ.get("TEST_ENGINE") == "required"  # then what would be skipped fails: .ci/run
needs_engine = pytest.mark.skipif(bool(_missing) and not _is_required, reason=_missing or "docker")


@functools.lru_cache
def base() -> str:
    """Debian, with what a tool in Python needs."""
    if _missing or _unavailable:
        _skip(_missing or _unavailable[0])
    tag = f"{BASE}:{_hash(repr((SUITE, PACKAGES, LEFT_OUT, SETTINGS)).encode())}"
    with _lock("build"):
        if not _is_there(tag):
            _bootstrap(tag)
    return tag


@functools.lru_cache
def jotter() -> str:
    """The example, with the package as it is in this tree."""
    tag = f"{MADE}:jotter-{_hash(base().encode(), *_contents(EXAMPLE, ROOT / 'cli_analytics'))}"
    _use()
    _ours.append(tag)
    with _lock("build"):
        if not _is_there(tag):
            with tempfile.TemporaryDirectory() as folder:
                context = shutil.copytree(EXAMPLE, Path(folder, "context"))
                _wheels(context / "wheels")
                build(context, tag, BASE=base(), PIP_NO_INDEX="1", PIP_FIND_LINKS="/build/wheels")
    return tag


@functools.lru_cache
def probe() -> str:
    """The same with the tool `probe`."""
    library = shell_library(PROBE / "analytics.toml")
    tag = f"{MADE}:probe-{_hash(jotter().encode(), library, *_contents(PROBE))}"
    _ours.append(tag)
    with _lock("build"):
        if not _is_there(tag):
            with tempfile.TemporaryDirectory() as folder:
                context = shutil.copytree(PROBE, Path(folder, "context"))
                (context / "probe-analytics.sh").write_bytes(library)
                build(context, tag, BASE=jotter())
    return tag


@functools.lru_cache
def shell_library(manifest: Path) -> bytes:
    """What a maintainer makes of a manifest, by the command for it."""
    made = subprocess.run([sys.executable, "-m", "cli_analytics", "shell", manifest], capture_output=True)
    assert made.returncode == 0, made.stderr
    return made.stdout


def build(context: Path, tag: str, **arguments: str) -> str:
    """Build an image, with the classic builder: Debian's engine has no other."""
    given = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
    built = docker(
        *("build", "--no-cache", "--force-rm", "--label", f"{LABEL}=image", "--tag", tag, *given, str(context)),
        check=False,
        env={**os.environ, "DOCKER_BUILDKIT": "0"},
    )
    assert built.returncode == 0, f"{built.stdout}\n{built.stderr}"
    return built.stdout


def remove(tag: str) -> None:
    """Remove an image and what it was built of, if nothing else was."""
    docker("image", "rm", "--force", tag, check=False)


def _bootstrap(tag: str) -> None:
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        _skip("docker: debootstrap, as root, would make the base image")
    with tempfile.TemporaryDirectory() as folder:
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, folder]
        made = subprocess.run(command, capture_output=True, text=True, timeout=600)
        if made.returncode != 0:
            _skip(f"docker: debootstrap could not make the base image: {made.stdout.strip()[-200:]}")
        left_out = [f"--exclude=./{pattern}" for pattern in LEFT_OUT]
        changes = [word for setting in SETTINGS for word in ("--change", setting)]
        with subprocess.Popen(["tar", "-C", folder, *left_out, "-c", "."], stdout=subprocess.PIPE) as packed:
            docker("import", *changes, "-", tag, stdin=packed.stdout)


def _wheels(folder: Path) -> None:
    """This tree's package and what it depends on, for a build that reaches no index."""
    download = ["download", "--only-binary=:all:", f"--python-version={PYTHON}", "--dest", str(folder), *DEPENDENCIES]
    done = subprocess.run([*_pip(), *download, "--quiet"], capture_output=True, text=True)
    if done.returncode != 0:
        _skip(f"docker: pip could not get the wheels for the image: {done.stderr.strip()[-200:]}")
    wheel = ["wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    done = subprocess.run([*_pip(), *wheel, "--quiet"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _pip() -> list[str]:
    """A pip that is there: environments that uv makes have none."""
    pythons = [sys.executable, str(ROOT / ".venv" / "bin" / "python"), shutil.which("python3")]
    found = [[python, "-m", "pip"] for python in pythons if python and os.access(python, os.X_OK)]
    works = [pip for pip in found if subprocess.run([*pip, "--version"], capture_output=True).returncode == 0]
    return works[0] if works else _skip("there is no pip to make wheels with")


def _skip(reason: str) -> NoReturn:
    _unavailable.append(reason)
    if _is_required:
        pytest.fail(reason)
    pytest.skip(reason)


def _contents(*folders: Path) -> Iterator[bytes]:
    paths = (path for folder in folders for path in sorted(folder.rglob("*")))
    for path in paths:
        if path.is_file() and "__pycache__" not in path.parts:
            yield str(path).encode()
            yield path.read_bytes()


def _hash(*contents: bytes) -> str:
    found = hashlib.sha256()
    for content in contents:
        found.update(b"%d\n" % len(content) + content)
    return found.hexdigest()[:12]


def _is_there(tag: str) -> bool:
    return docker("image", "inspect", tag, check=False).returncode == 0


@contextmanager
def _lock(name: str) -> Iterator[None]:
    with _open(name) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@functools.lru_cache
def _use() -> None:
    """Keep all images while somebody uses them; the last of several test processes takes away those of other trees."""
    file = _open("use")
    fcntl.flock(file, fcntl.LOCK_SH)
    atexit.register(_tidy, file)


def _tidy(file: IO[str]) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return
    for tag in docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", MADE, check=False).stdout.split():
        if tag not in _ours:
            remove(tag)
    docker("image", "prune", "--force", "--filter", f"label={LABEL}=image", check=False)


def _open(name: str) -> IO[str]:
    _LOCKS.mkdir(mode=0o700, exist_ok=True)
    return (_LOCKS / f"{name}.lock").open("w", encoding="ascii")
