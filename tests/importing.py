"""What the tests of an import share: a folder that a file sink has written to, and the archive it is to go to."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from collecting import MANIFEST, event

import cli_analytics
from cli_analytics import sinks
from cli_analytics.destination import SinkConfig

# The most memory that a process has had, in kB; what getrusage tells may be its parent's.
PEAK = """
import re, sys
def peak(): return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""
SENT_AT = "2026-01-02T03:04:06.000Z"
OTHER = MANIFEST.replace(b'"mytool"', b'"another"')


class Site:
    """A folder that a file sink has written to, and the archive that it is to go to."""

    def __init__(self, folder: Path) -> None:
        self.source, self.archive = folder / "source", folder / "archive"
        self.manifests = [folder / "analytics.toml", folder / "another.toml"]
        for path, content in zip(self.manifests, (MANIFEST, OTHER)):
            path.write_bytes(content)

    def write(self, *events: dict[str, Any]) -> list[Path]:
        """Have the file sink write a file of these events, and return it."""
        before = set(self.source.rglob("*.gz"))
        for request in sinks.encode(events, SinkConfig("file", "", {"path": str(self.source)}), SENT_AT):
            path = Path(request.url.removeprefix("file:"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(request.body)
        return sorted(set(self.source.rglob("*.gz")) - before)

    def raw(self, name: str, content: bytes) -> Path:
        """Put any file there."""
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    @property
    def command(self) -> list[str]:
        command = [sys.executable, "-m", "cli_analytics", "collect", "--archive", str(self.archive)]
        return command + [part for path in self.manifests for part in ("--manifest", str(path))]

    def take(self, *options: str) -> subprocess.CompletedProcess[str]:
        command = [*self.command, "--import", str(self.source), *options]
        root = Path(cli_analytics.__file__).parents[1]
        return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120)

    def ids(self) -> Counter[str]:
        """Of every line that can be read, as the warehouse reads them: those of a torn member, too."""
        return Counter(record["messageId"] for path in self.archive.rglob("*.gz") for record in _readable(path))


def _readable(path: Path) -> list[dict[str, Any]]:
    content, text = path.read_bytes(), b""
    while content:
        member = zlib.decompressobj(31)
        text += member.decompress(content)
        content = member.unused_data
    return [json.loads(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]


def several(number: int, **changes: Any) -> list[dict[str, Any]]:
    return [event(**changes) for _ in range(number)]


def ids(events: Iterable[dict[str, Any]]) -> Counter[str]:
    return Counter(each["messageId"] for each in events)


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}
