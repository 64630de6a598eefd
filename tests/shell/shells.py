"""Shells: every one that Debian has, and a user of a tool that is written for any of them."""

from __future__ import annotations

import functools
import gzip
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from recorder import Recorder
from support import MANIFEST, Run, User, on_terminal

from cli_analytics import containers, shell_library

# The name of a test: the command, and Debian's package.
SHELLS = {
    "dash": (["dash"], "dash"),
    "bash": (["bash"], "bash"),
    "bash-posix": (["bash", "--posix"], "bash"),
    "busybox": (["busybox", "sh"], "busybox"),
    "zsh-sh": (["zsh", "--emulate", "sh"], "zsh"),
    "zsh": (["zsh"], "zsh"),
    "ksh93": (["ksh93"], "ksh93u+m"),
    "mksh": (["mksh"], "mksh"),
    "yash": (["yash"], "yash"),
    "posh": (["posh"], "posh"),
}


def _shell(name: str) -> Any:
    command, package = SHELLS[name]
    missing = shutil.which(command[0]) is None
    return pytest.param(name, marks=pytest.mark.skipif(missing, reason=f"no {name} here; Debian's package {package}"))


every_shell = pytest.mark.parametrize("shell", [_shell(name) for name in SHELLS])
needs_shellcheck = pytest.mark.skipif(shutil.which("shellcheck") is None, reason="no shellcheck here")
SEND = "SEND_ANONYMOUS_USAGE_INFO"


@functools.cache
def _baked(manifest: str) -> str:
    """The library of a machine that is no container, whatever the tests run in, until a variable says so."""
    return shell_library.bake(manifest.encode()).replace("[ -e /", "[ -e /nonexistent/")


class ShellUser(User):
    """A user whose tool comes in shell too. The two share a name, a manifest and a home."""

    def __init__(self, folder: Path, endpoint: str = "http://127.0.0.1:9", manifest: str = MANIFEST) -> None:
        super().__init__(folder, endpoint)
        self.manifest.write_text(manifest, encoding="utf-8")
        self.library = folder / "tool" / "mytool-analytics.sh"
        self.memory = folder / "memory"
        self.memory.mkdir(exist_ok=True)
        memory = f"_analytics_memory='{self.memory}'"
        text = _baked(manifest).replace(f"_analytics_memory='{containers.MEMORY}'", memory)
        assert memory in text
        self.library.write_text(text, encoding="ascii")

    def script(self, text: str) -> str:
        begins = "" if text.startswith(("analytics_begin", "analytics_status")) else "analytics_begin 1.2.3\n"
        return f". '{self.library}'\n{begins}{text}\n"

    def sh(self, shell: str, text: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a script of the tool's, without a terminal. It begins with `analytics_begin`, if it has none itself."""
        return subprocess.run(
            [*SHELLS[shell][0], "-c", self.script(text)],
            env={**self.environ, **environ},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def quietly(self, shell: str, text: str, **environ: str) -> str:
        """What a script of the tool's prints, which must end well and leave stderr alone."""
        done = self.sh(shell, text, **environ)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def sh_on_terminal(self, shell: str, text: str, **environ: str) -> Run:
        """Run a script of the tool's with its standard error on a terminal."""
        return on_terminal([*SHELLS[shell][0], "-c", self.script(text)], {**self.environ, **environ}, self.folder)

    def sh_inform(self, shell: str = "dash") -> None:
        assert "Nothing was recorded" in self.sh_on_terminal(shell, ":").terminal

    def events(self) -> list[dict[str, Any]]:
        """What waits, as it lies there."""
        return [json.loads(path.read_bytes()) for path in self.appended()]


def received(server: Recorder) -> list[dict[str, Any]]:
    """The events that arrived, compressed or not."""
    found = []
    for request in list(server.requests):
        body = gzip.decompress(request.body) if request.headers.get("Content-Encoding") == "gzip" else request.body
        found += json.loads(body)["batch"]
    return found
