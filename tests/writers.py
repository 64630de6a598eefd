"""Writers: processes that append to one spool at the same time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from cli_analytics import spool as spool_module
from cli_analytics.spool import Spool

_WRITER = """
import sys
from cli_analytics.spool import Spool
spool = Spool(sys.argv[1])
for number in range(int(sys.argv[3])):
    spool.append(f'{{"from": "{sys.argv[2]}", "number": {number}}}'.encode())
"""


def start_writers(spool: Spool, count: int, events: int) -> list[subprocess.Popen[bytes]]:
    """So many, each with so many events. Without site-packages a Python starts in half the time."""
    environ = {**os.environ, "PYTHONPATH": str(Path(spool_module.__file__).parents[1])}
    return [
        subprocess.Popen([sys.executable, "-S", "-c", _WRITER, spool.folder, str(number), str(events)], env=environ)
        for number in range(count)
    ]


def contents(claimed: list[tuple[str, bytes]]) -> list[bytes]:
    return [content for _, content in claimed]
