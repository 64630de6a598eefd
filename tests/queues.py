"""Queues: sinks with a queue each, events for them, and what may have happened to a spool before."""

from __future__ import annotations

import itertools
import os
import random
import time
from pathlib import Path

from writers import contents

from cli_analytics.claims import MAX_AGE_SECONDS, Claims
from cli_analytics.spool import Spool, size

ONE = ["segment-000000000001"]
TWO = [*ONE, "ga4-000000000002"]
THREE = [*TWO, "file-000000000003"]
OTHERS = ["influxdb-000000000004", "universal-000000000005"]
SINKS = [*THREE, *OTHERS]

_moments = itertools.count(int(time.time() * 1000))


def fill(spool: Spool, count: int, text: str = "event") -> list[bytes]:
    """Let so many events wait, each later than all before; their contents."""
    return [_append(spool, text) for _ in range(count)]


def fill_and_drop(spool: Spool) -> None:
    """Let an event wait, and drop it."""
    known = set(spool.waiting())
    fill(spool, 1)
    [name] = set(spool.waiting()) - known
    spool.drop(name)


def _append(spool: Spool, text: str) -> bytes:
    moment, known = next(_moments), set(spool.waiting())
    content = f"{text} {moment}".encode()
    spool.append(content)
    [name] = set(spool.waiting()) - known
    os.rename(spool.path("new", name), spool.path("new", f"{moment:013d}-{name.split('-', 1)[1]}"))
    return content


def deliver(claims: Claims, sink: str) -> list[bytes]:
    """All that there is for a sink, and have it done: the contents, in the order in which they came."""
    found: list[bytes] = []
    while claims.wants(sink):
        claimed = claims.claim(sink)
        found += contents(claimed)
        for name, _ in claimed:
            claims.done(sink, name)
    return found


def backdate(folder: str, seconds: float) -> None:
    """Let the events in a folder be that much older."""
    for name in filter(size, os.listdir(folder)):
        milliseconds, rest = name.split("-", 1)
        older = f"{int(milliseconds) - int(seconds * 1000):013d}-{rest}"
        os.rename(os.path.join(folder, name), os.path.join(folder, older))


def spool_with_a_past(folder: Path, seed: int) -> tuple[Spool, list[str]]:
    """A spool to which things have happened, and the sinks that there are now."""
    dice, spool = random.Random(seed), Spool(str(folder))
    sinks = dice.sample(SINKS, dice.randint(1, 3))
    for _ in range(dice.randint(1, 8)):
        if dice.random() < 0.2:
            sinks = dice.sample(SINKS, dice.randint(1, 3))
        dice.choice([_more, _many, _grow_old, _one_too_many, _send_a_part, _fail, _die])(spool, sinks, dice)
    if dice.random() < 0.3:
        sinks = dice.sample(SINKS, dice.randint(1, 3))
    return spool, sinks


def _more(spool: Spool, sinks: list[str], dice: random.Random) -> None:
    fill(spool, dice.randint(1, 3))


def _many(spool: Spool, sinks: list[str], dice: random.Random) -> None:
    if dice.random() < 0.3:
        fill(spool, 300)


def _grow_old(spool: Spool, sinks: list[str], dice: random.Random) -> None:
    """All that waits, wherever it does."""
    for folder in (spool.path("new"), *(spool.path("claimed", name) for name in ("", *sinks))):
        if os.path.isdir(folder):
            backdate(folder, MAX_AGE_SECONDS + 60)


def _one_too_many(spool: Spool, sinks: list[str], dice: random.Random) -> None:
    fill_and_drop(spool)


def _send_a_part(spool: Spool, sinks: list[str], dice: random.Random) -> None:
    claims, sink = Claims(spool, sinks), dice.choice(sinks)
    for name, _ in claims.claim(sink)[:2]:
        claims.done(sink, name)
    claims.told(sink)


def _fail(spool: Spool, sinks: list[str], dice: random.Random) -> None:
    Claims(spool, sinks).claim(dice.choice(sinks))


def _die(spool: Spool, sinks: list[str], dice: random.Random) -> None:
    """Right after the event that waits longest was taken, as it was to be handed out."""
    Claims(spool, sinks).prepare()
    for name in spool.waiting()[:1]:
        os.rename(spool.path("new", name), spool.path("claimed", name))
