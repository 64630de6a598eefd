"""Launching: shell/launch.sh as a user has it, one file with the library in it, and who starts containers by it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import subprocess
import termios
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import image
from bridge import Bridged
from containers import Ended, On
from support import on_terminal, read_terminal
from watch import processes_at, until

LAUNCH = image.ROOT / "shell" / "launch.sh"
MANIFEST = image.PROBE / "analytics.toml"
TOO_LONG_SECONDS = 60
NOTICE = "Nothing was recorded"


class Launching:
    """Somebody with a home of their own, who starts containers; what these send themselves arrives as well."""

    def __init__(self, folder: Path, server: Bridged, manifest: Path = MANIFEST) -> None:
        self.folder, self.home = folder, folder / "home"
        self.home.mkdir(parents=True)
        self.script = folder / "local.sh"
        self.library = folder / "library.sh"
        self.library.write_bytes(image.shell_library(manifest))
        self.script.write_bytes(self.library.read_bytes() + LAUNCH.read_bytes())
        self.recorder = server.recorder
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "XDG_CONFIG_DIRS": str(folder / "site"),
            "TERM": "xterm",
            "CLI_ANALYTICS_ENDPOINT": server.recorder.url,
        }
        inside = [word for name, value in server.environ.items() for word in ("--env", f"{name}={value}")]
        self.inside = [*server.options, *inside]

    @property
    def spool(self) -> Path:
        return self.home / ".local" / "state" / "probe" / "analytics" / "spool"

    def inform(self) -> None:
        """Have the notice shown, as it is."""
        words = ["dash", "-c", '. "$0"; analytics_begin 1.2.3', str(self.library)]
        shown = on_terminal(words, self.environ, self.folder)
        assert NOTICE in shown.terminal

    def settle(self) -> None:
        """Live here, so that a yes by variable is kept here, and not in the memory of the container we may be in."""
        self.spool.parent.mkdir(parents=True)

    def say_no(self) -> None:
        choice = self.home / ".config" / "probe" / "analytics" / "choice"
        choice.parent.mkdir(parents=True, exist_ok=True)
        choice.write_text("off 2026-01-02\n", encoding="ascii")

    def command(self, *arguments: str, options: Sequence[str] = (), shell: Sequence[str] = ("dash",)) -> list[str]:
        """`local.sh deploy` of the tool `probe`."""
        docker = f"--options={' '.join([*self.inside, *options])}"
        return [*shell, str(self.script), "deploy", f"--image={image.probe()}", docker, "--", *arguments]

    def deploy(
        self, *arguments: str, options: Sequence[str] = (), environ: Mapping[str, str] = {}, stdin: bytes = b""
    ) -> Ended:
        """Start a container, without a terminal, and see how it ends."""
        began = time.perf_counter()
        done = subprocess.run(
            self.command(*arguments, options=options),
            env={**self.environ, **environ},
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            timeout=60,
        )
        return Ended(done.returncode, done.stdout, done.stderr, time.perf_counter() - began)

    def start(self, words: Sequence[str], environ: Mapping[str, str] = {}) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            words,
            env={**self.environ, **environ},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def on_terminal(self, words: Sequence[str], environ: Mapping[str, str] = {}, typed: bytes = b"") -> On:
        """Run a command whose terminal is a person's own, who types when it has said something."""
        ours, process = self.open_terminal(words, environ)
        if typed:
            select.select([ours], [], [], 30)
            os.write(ours, typed)
        shown = read_terminal(ours)
        return On(process.wait(60), shown)

    def open_terminal(
        self, words: Sequence[str], environ: Mapping[str, str] = {}, stdout: int | None = None
    ) -> tuple[int, subprocess.Popen[bytes]]:
        """Start a command at a terminal, the hither end of which is returned; its stdout may be somewhere else."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            words,
            env={**self.environ, **environ},
            cwd=self.folder,
            stdin=theirs,
            stdout=theirs if stdout is None else stdout,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        timer = threading.Timer(TOO_LONG_SECONDS, _give_up, [process])
        timer.daemon = True
        timer.start()
        return ours, process

    def end(self) -> None:
        """Wait for what still sends."""
        until(lambda: not processes_at(self.home), must=False)


def _give_up(process: subprocess.Popen[bytes]) -> None:
    """A terminal that somebody still holds would be read for ever."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def launching(folder: Path, server: Bridged, manifest: Path = MANIFEST) -> Iterator[Launching]:
    somebody = Launching(folder, server, manifest)
    try:
        yield somebody
    finally:
        somebody.end()
