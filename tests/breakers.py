"""Breakers: how sending to the one sink that most tests have went of late, and the time that passes for it."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from cli_analytics import breaker
from cli_analytics.breaker import Breaker
from cli_analytics.storage import Storage

HOUR = 3600
_PAUSE = re.compile(r"(?m)^(\S+: \d+ )(\d+)")


def only(where: Storage) -> Breaker:
    """That of the only sink, or of all of them in a torn file; one without trouble where there is no file."""
    found = breaker.read(where)
    [one] = [found.torn] if found.torn else list(found.known.values()) or [Breaker()]
    return one


def hold(where: Storage, seconds: int = HOUR) -> None:
    """Let no sender start before so many seconds have passed."""
    breaker.postpone(where, (), "any", seconds)


def let_go(where: Storage) -> None:
    """As if nothing had gone wrong of late."""
    breaker.succeeded(where, (), "any")


def end_pauses(where: Storage) -> None:
    """As if each pause were over."""
    _change_pauses(where, lambda _: int(time.time()) - 1)


def age(where: Storage, seconds: int) -> None:
    """As if each pause had begun so many seconds earlier. There is none where the endpoint is gone."""
    written = os.stat(where.breaker).st_mtime if os.path.exists(where.breaker) else 0.0
    _change_pauses(where, lambda moment: moment and moment - seconds)
    if os.path.exists(where.breaker):
        os.utime(where.breaker, (max(written - seconds, min(written, breaker.DUE_NOW)),) * 2)


def _change_pauses(where: Storage, change: Callable[[int], int]) -> None:
    path = Path(where.breaker)
    if path.exists():
        text = path.read_text(encoding="ascii")
        path.write_text(_PAUSE.sub(lambda it: f"{it[1]}{change(int(it[2]))}", text), encoding="ascii")
