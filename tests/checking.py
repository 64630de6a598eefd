"""Checking: `cli-analytics check` as a process, on a manifest with a ga4 sink."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SECRET = "s3cr3t&of ada"
QUOTED = "s3cr3t%26of%20ada"
TOOL = """\
schema = 1
[tool]
name = "mytool"
controller = "Example"
contact = "privacy@example.org"
"""
EXPORTED = """
[events.report_exported]
why = "Formats"
[events.report_exported.properties]
format = { one_of = ["csv", "parquet", "json"] }
rows = { bucket = [10, 100, 1000] }
cached = { type = "boolean" }
pages = { type = "integer", min = -9007199254740992, max = 500 }
engine = { type = "version" }
"""


def sink(endpoint: str, measurement_id: str = "G-ABC") -> str:
    return (
        f'[[sinks]]\ntype = "ga4"\nmeasurement_id = "{measurement_id}"\n'
        f'api_secret = "{SECRET}"\nendpoint = "{endpoint}"\n'
    )


class Done:
    """A check as a process, in a folder whose analytics.toml is `parts`."""

    def __init__(self, folder: Path, parts: Sequence[str], *options: str) -> None:
        (folder / "analytics.toml").write_text("".join([TOOL, *parts]), encoding="utf-8")
        command = [sys.executable, "-m", "cli_analytics", "check", *options]
        begun = time.monotonic()
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
        self.seconds = time.monotonic() - begun
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr
        assert SECRET not in self.out + self.err
        assert QUOTED not in self.out + self.err
        assert "Traceback" not in self.err

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found
