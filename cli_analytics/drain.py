"""Drain: send what waits. The sender's process; sender.py starts it, nothing else runs it.

    claim → gate → encode → POST → DELIVERED: done · RETRY: release, and end · REJECTED: drop, and end

What ends it leaves a pause (breaker.py) until the next sender.

It holds the lock it was handed, lingers a few seconds so that a burst of runs rides along, and ends itself by a hard
deadline that bounds name resolution too. Before each batch it asks again whether sending is allowed, so an `off` takes
effect while it lives.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from typing import NamedTuple, Optional

from cli_analytics import (
    breaker,
    consent,
    delivery,
    drafts,
    environment,
    event,
    gate,
    identity,
    log,
    manifest,
    sender,
    sinks,
    storage,
)
from cli_analytics.claims import Claims
from cli_analytics.event import Event
from cli_analytics.manifest import Manifest
from cli_analytics.sender import LOCK_DESCRIPTOR
from cli_analytics.sinks.request import Request
from cli_analytics.spool import BATCH_EVENTS, Spool
from cli_analytics.storage import Storage, StorageError

DEADLINE_SECONDS = 25  # the kernel ends the process then, whatever it is doing: within 30 s, Python's start included
LIFE_SECONDS = 10  # no new batch after that, so that the last one has time
LINGER_SECONDS = 4
POLL_SECONDS = 0.1

_NOTHING = delivery.Outcome(delivery.REJECTED, problem="nothing of it may leave")


class Drain(NamedTuple):
    """What a sender works with."""

    where: Storage
    claims: Claims
    manifest: Manifest
    version: str
    environ: Mapping[str, str]


def main(arguments: list[str]) -> None:
    """The sender's process: `arguments` are the manifest's path and the version of the host."""
    try:
        _detach()
        path, version = arguments
        declared = manifest.load(path)
        where = storage.locate(declared.tool.name, os.environ)
        if _run(Drain(where, Claims(Spool(where.spool)), declared, version, os.environ), _own_lock(where)):
            sender.start_if_due(where, manifest=path, version=version, environ=os.environ)
    except Exception:  # noqa: BLE001, S110  the door of this process: nobody is there to hear of it
        pass


def _detach() -> None:
    os.chdir("/")
    if sys.platform == "win32":
        return
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(DEADLINE_SECONDS)
    try:
        os.setsid()
    except OSError:
        pass  # it has a session of its own already


def _own_lock(where: Storage) -> Optional[int]:
    return storage.lock(where.sender_lock) if sys.platform == "win32" else LOCK_DESCRIPTOR


def _run(drain: Drain, lock: Optional[int]) -> bool:
    """Drain until nothing comes any more. True where our time was up before that.

    A host that appends while we seem alive relies on us, so the spool is looked at once more after we have stopped to:
    what came before that is seen here, what comes later starts a sender of its own.
    """
    ends = time.monotonic() + LIFE_SECONDS
    drain.claims.return_orphans()
    for folder in (drain.where.state, drain.where.config):
        drafts.remove_old(folder)
    while lock is not None:
        going_on = _linger(drain, ends)
        identity.expire(drain.where, drain.manifest.policy.rotate_id_days)
        os.utime(drain.where.sender_lock, (0, 0))  # nobody relies on us any more
        os.close(lock)
        lock = storage.lock(drain.where.sender_lock) if going_on and drain.claims.spool.waiting() else None
    return time.monotonic() >= ends and bool(drain.claims.spool.waiting())


def _linger(drain: Drain, ends: float) -> bool:
    """Send what waits, and what comes within the time to linger. False when there is no sense in going on."""
    idle_until = time.monotonic() + LINGER_SECONDS
    while time.monotonic() < min(idle_until, ends):
        os.utime(drain.where.sender_lock)  # alive
        if not drain.claims.spool.waiting():
            time.sleep(POLL_SECONDS)
            continue
        if not _allowed(drain) or not _send_batch(drain):
            return False
        idle_until = time.monotonic() + LINGER_SECONDS
    return time.monotonic() < ends


def _allowed(drain: Drain) -> bool:
    """Whether sending is still allowed. The user was told and the run was no test, or there would be no event."""
    if environment.debug(drain.environ):
        return False  # who asks to be shown what would be sent is not to send it
    facts = consent.Facts(
        drain.environ, drain.where, drain.manifest.policy, informed=True, version=drain.version, record_in_tests=True
    )
    return consent.decide(facts).allowed


def _send_batch(drain: Drain) -> bool:
    """Send one batch to every destination. False when the next one has to wait."""
    claimed = drain.claims.claim(BATCH_EVENTS)
    outcome = delivery.Outcome(delivery.RETRY)
    try:
        contents = [content for _, content in claimed]
        outcome = _deliver(drain, gate.checked(contents, drain.manifest.events, drain.claims.claim_dropped()))
    finally:
        for name, _ in claimed:
            if outcome.delivery == delivery.RETRY:
                drain.claims.release(name)
            else:
                drain.claims.done(name)
    if outcome.delivery == delivery.DELIVERED:
        drain.claims.done_dropped()
    return outcome.delivery == delivery.DELIVERED or outcome == _NOTHING


def _deliver(drain: Drain, events: list[Event]) -> delivery.Outcome:
    """To every destination, in order, until one asks to try again."""
    if not events:
        return _NOTHING
    outcome = delivery.Outcome(delivery.RETRY, problem="there is no destination")
    breaker.attempted(drain.where)
    for config in manifest.destinations(drain.manifest, drain.environ):
        for request in sinks.encode(events, config, event.timestamp(time.time())):
            outcome = delivery.send(request)
            _remember(drain, request, outcome)
            if outcome.delivery == delivery.RETRY or outcome.status == delivery.GONE:
                return outcome
    if outcome.delivery == delivery.DELIVERED:
        breaker.succeeded(drain.where)
    return outcome


def _remember(drain: Drain, request: Request, outcome: delivery.Outcome) -> None:
    """For the breaker, and for the user to read."""
    if outcome.status == delivery.GONE:
        breaker.stop(drain.where, drain.version)
        drain.claims.spool.clear()
    elif outcome.retry_after:
        breaker.postpone(drain.where, outcome.retry_after)
    if not _allowed(drain):
        return  # the user said no meanwhile, which deleted the log
    size = {"events": request.events, "bytes": len(request.body)}
    entry = {"sent_at": event.timestamp(time.time()), "to": request.url, **outcome._asdict(), **size}
    try:
        log.append(drain.where, {**entry, "body": sinks.text(request)})
    except StorageError:
        pass  # what was delivered is delivered, and is not sent again for want of a log
