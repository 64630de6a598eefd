"""Containers: started, watched from outside, and gone when the test is."""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Optional

import image
import pytest
from support import read_terminal
from watch import until

SNIFFER = Path(__file__).with_name("sniffer.py")
OURS = f"{image.LABEL}={os.getpid()}"
OPAQUE = (".wh..wh..opq", ".wh..opq")  # marks of the engine's own in the folders of a layer
YES = {"SEND_ANONYMOUS_USAGE_INFO": "true"}

needs_namespaces = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("nsenter") is None, reason="docker: root enters a container's network by nsenter"
)


class Ended(NamedTuple):
    """How a `docker run` ended."""

    status: int
    stdout: bytes
    stderr: bytes
    seconds: float

    @property
    def lines(self) -> list[str]:
        return self.stderr.decode().splitlines()


class On(NamedTuple):
    """A terminal's view of a `docker run`."""

    status: int
    shown: str


def command(
    tag: str, *arguments: str, options: Sequence[str] = (), environ: Optional[Mapping[str, str]] = None
) -> list[str]:
    """`docker run --rm` of an image, with these variables inside."""
    variables = [word for name, value in (environ or {}).items() for word in ("--env", f"{name}={value}")]
    return ["docker", "run", "--rm", "--label", _ours(), *variables, *options, tag, *arguments]


def run(
    tag: str,
    *arguments: str,
    options: Sequence[str] = (),
    environ: Optional[Mapping[str, str]] = None,
    stdin: bytes = b"",
) -> Ended:
    """Run a container to its end."""
    began = time.perf_counter()
    done = subprocess.run(
        command(tag, *arguments, options=options, environ=environ), input=stdin, capture_output=True, timeout=120
    )
    return Ended(done.returncode, done.stdout, done.stderr, time.perf_counter() - began)


def on_terminal(
    tag: str, *arguments: str, options: Sequence[str] = (), environ: Optional[Mapping[str, str]] = None, typed: str = ""
) -> On:
    """Run a container whose stdin, stdout and stderr are a person's terminal."""
    ours, theirs = pty.openpty()
    words = command(tag, *arguments, options=("--interactive", "--tty", *options), environ=environ)
    with subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True) as process:
        os.close(theirs)
        if typed:
            select.select([ours], [], [], 30)  # the container has said something, so it listens
            os.write(ours, typed.encode())
        shown = read_terminal(ours)
    return On(process.returncode, shown)


class Container:
    """A container that runs until it is told otherwise."""

    def __init__(self, tag: str, *arguments: str, options: Sequence[str] = ()) -> None:
        words = ["run", "--detach", "--label", _ours(), *options, tag, *arguments]
        self.id = image.docker(*words).stdout.strip()

    @property
    def pid(self) -> int:
        """Its first process, as this machine numbers it; 0 when it has ended."""
        return int(self.inspect("{{.State.Pid}}"))

    def inspect(self, form: str) -> str:
        return image.docker("inspect", "--format", form, self.id).stdout.strip()

    def execute(self, *arguments: str, environ: Optional[Mapping[str, str]] = None) -> subprocess.CompletedProcess[str]:
        """Run a command in it, beside its first process."""
        variables = [word for name, value in (environ or {}).items() for word in ("--env", f"{name}={value}")]
        return image.docker("exec", *variables, self.id, *arguments, check=False)

    def says(self, text: str) -> None:
        """Wait until it has printed `text`."""
        until(lambda: text in self.logs().stdout)

    def logs(self) -> subprocess.CompletedProcess[str]:
        return image.docker("logs", self.id)

    def wait(self) -> int:
        """Its exit status, when it has ended."""
        return int(image.docker("wait", self.id).stdout)

    def left(self) -> list[str]:
        """What it added, changed and deleted in its image's files, with the folders above it."""
        layer = Path(self.inspect("{{.GraphDriver.Data.UpperDir}}"))
        if layer.is_dir() and os.access(layer, os.R_OK | os.X_OK):  # the engine would compare all files, for seconds
            paths = (path for path in layer.rglob("*") if path.name not in OPAQUE)
            return sorted(f"/{path.relative_to(layer)}" for path in paths)
        return sorted(line[2:] for line in image.docker("diff", self.id).stdout.splitlines())

    def zombies(self) -> int:
        """How many of its processes have ended, and nobody waited for them."""
        stats = self.execute("sh", "-c", "cat /proc/[0-9]*/stat 2>/dev/null").stdout.splitlines()
        return sum(line.rpartition(")")[2].split()[:1] == ["Z"] for line in stats)

    def remove(self) -> None:
        image.docker("rm", "--force", "--volumes", self.id, check=False)


@contextmanager
def started(tag: str, *arguments: str, options: Sequence[str] = ()) -> Iterator[Container]:
    container = Container(tag, *arguments, options=options)
    try:
        yield container
    finally:
        container.remove()


class Network:
    """A network of its own, in which containers are watched from outside."""

    def __init__(self, holder: Container) -> None:
        self.options = ("--network", f"container:{holder.id}")
        enter = ["nsenter", "--net", "--target", str(holder.pid)]
        self._sniffer = subprocess.Popen(
            [*enter, sys.executable, str(SNIFFER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._sniffer.stdout is not None
        assert self._sniffer.stdout.readline() == "listening\n"

    def end(self) -> list[str]:
        """Every packet that was seen, as `protocol from to`."""
        out, _ = self._sniffer.communicate("", timeout=30)
        found: list[str] = json.loads(out)
        return found

    def close(self) -> None:
        self._sniffer.kill()
        self._sniffer.wait()


@contextmanager
def watched_network(tag: str, *options: str) -> Iterator[Network]:
    """A network like any container's, held by one that sleeps."""
    with started(tag, "300", options=("--entrypoint", "sleep", *options)) as holder:
        network = Network(holder)
        try:
            yield network
        finally:
            network.close()


def interrupt(process: subprocess.Popen[bytes], number: int = signal.SIGINT) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, number)


@functools.lru_cache
def _ours() -> str:
    atexit.register(_remove_ours)
    return OURS


def _remove_ours() -> None:
    left = image.docker("ps", "--all", "--quiet", "--filter", f"label={OURS}", check=False).stdout.split()
    if left:
        image.docker("rm", "--force", "--volumes", *left, check=False)
