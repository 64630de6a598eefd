"""Notice: does the user know? Shown once, on a terminal, before anything is recorded.

The stamp is written after the notice, so a notice that could not be printed was not shown.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Optional, TextIO

from cli_analytics import environment, storage
from cli_analytics.consent import NOBODY, Stamp, read_stamp
from cli_analytics.storage import Storage


def mark(where: Storage, current: Stamp, told: str) -> None:
    """Keep the stamp of a user who was told `told` today. Raises StorageError."""
    current.told, current.date = told, today()
    write_stamp(where, current)


def can_show(stderr: Optional[TextIO], environ: Mapping[str, str]) -> bool:
    """True when a person reads stderr and was not told by a launcher: a terminal, and not that of CI or of an agent."""
    if stderr is None or withheld(environ):
        return False
    try:
        return stderr.isatty()
    except ValueError:  # it is closed
        return False


def withheld(environ: Mapping[str, str]) -> str:
    """The reason to show no notice even on a terminal, or an empty string."""
    vendor, agent = environment.ci_vendor(environ), environment.agent(environ)
    if vendor != "none":
        return f"no person reads the terminal of continuous integration ({vendor})"
    if agent:
        return f"no person reads the terminal of a coding agent ({agent} is set)"
    return f"it is for the launcher to show ({environment.HANDOVER} is set)" if environment.handover(environ) else ""


def ensure_shown(where: Storage, current: Stamp, text: str, stderr: TextIO) -> None:
    """Show the notice and keep the stamp, once however many processes run first. Raises StorageError or OSError.

    Who doesn't get the lock leaves the notice to who has it. Where no stamp can be kept no notice is shown: it would
    come with every run.
    """
    lock = storage.lock(where.notice_lock)
    if lock is None:
        return
    try:
        known = read_stamp(where)
        if known is not None and known.told == current.disclosure:
            return
        mark(where, current, NOBODY)  # a stamp that can't be kept is found out here
        stderr.write(text)
        stderr.flush()
        mark(where, current, current.disclosure)
    finally:
        os.close(lock)


def write_stamp(where: Storage, stamp: Stamp) -> None:
    """Keep the stamp. Raises StorageError."""
    head = (
        f"told: {stamp.told} {stamp.date}\ndisclosure: {stamp.disclosure}\ndefault: {stamp.default}\nci: {stamp.ci}\n"
        f"opt_out_env: {' '.join(stamp.opt_out_env)}\nends: {stamp.ends}\n\n"
    )
    storage.replace(where.stamp, head.encode() + stamp.manifest)


def today() -> str:
    """The date in UTC."""
    return time.strftime("%Y-%m-%d", time.gmtime())
