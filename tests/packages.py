"""Packages: what tests need of other projects, installed once however many processes run the tests."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli_analytics import storage


def prepare(what: str, command: list[str]) -> None:
    """Run a command that installs `what`; skips the test where that can't be done."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines() or ["no message"]
        pytest.skip(f"{what} can't be had, is there a network? {command[2]}: {said[-1]}")


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Of several processes that run the tests, one at a time."""
    while (lock := storage.lock(str(path))) is None:
        time.sleep(0.2)
    try:
        yield
    finally:
        os.close(lock)
