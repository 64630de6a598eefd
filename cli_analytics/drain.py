"""Drain: send what waits. The sender's process; sender.py starts it, nothing else runs it.

    for each sink:  claim → gate → encode → POST → DELIVERED: done · RETRY: stays in its queue · REJECTED: dropped

What was not delivered leaves that sink a pause (breaker.py); when no sink is due any more the sender ends.

It holds the lock it was handed, lingers a few seconds so that a burst of runs rides along, and ends itself by a hard
deadline that bounds name resolution too. Before each batch it asks again whether sending is allowed, so an `off` takes
effect while it lives.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional

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
from cli_analytics.delivery import Outcome
from cli_analytics.destination import SinkConfig
from cli_analytics.errors import ManifestError, SinkError
from cli_analytics.event import Event
from cli_analytics.manifest import Manifest
from cli_analytics.sender import LOCK_DESCRIPTOR
from cli_analytics.sinks.request import Request
from cli_analytics.spool import Spool
from cli_analytics.storage import Storage, StorageError

DEADLINE_SECONDS = 25  # the kernel ends the process then, whatever it is doing: within 30 s, Python's start included
LIFE_SECONDS = 10  # no new request after that, so that the last one has time
LINGER_SECONDS = 4
POLL_SECONDS = 0.1

NOWHERE = "nowhere"  # what waits for a manifest without sinks, until an upgrade brings one


class Drain(NamedTuple):
    """What a sender works with."""

    where: Storage
    claims: Claims
    sinks: Mapping[str, Optional[SinkConfig]]  # by key
    manifest: Manifest
    version: str
    environ: Mapping[str, str]
    ends: float  # of the monotonic clock; no new request after that


def main(arguments: list[str]) -> None:
    """The sender's process: `arguments` are the manifest's path and the version of the host."""
    try:
        _detach()
        path, version = arguments
        declared = manifest.load(path)
        where = storage.locate(declared.tool.name, os.environ)
        if _run(_drain(where, declared, version, os.environ), _own_lock(where)):
            sender.start_if_due(where, manifest=path, version=version, environ=os.environ)
    except Exception:  # noqa: BLE001, S110  the door of this process: nobody is there to hear of it
        pass


def _drain(where: Storage, declared: Manifest, version: str, environ: Mapping[str, str]) -> Drain:
    found = {config.key: config for config in _destinations(declared, environ)}
    known = breaker.read(where)
    claims = Claims(Spool(where.spool), [key for key in found or (NOWHERE,) if not known.of(key).is_gone(version)])
    ends = time.monotonic() + LIFE_SECONDS
    return Drain(where, claims, found or {NOWHERE: None}, declared, version, environ, ends)


def _destinations(declared: Manifest, environ: Mapping[str, str]) -> Sequence[SinkConfig]:
    """None where the endpoint in the environment is no address: nothing is sent then, and senders grow rare."""
    try:
        return manifest.destinations(declared, environ)
    except ManifestError:
        return ()


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
    for folder in (drain.where.state, drain.where.config):
        drafts.remove_old(folder)
    if _allowed(drain):
        drain.claims.prepare()
    while lock is not None:
        going_on = _linger(drain)
        identity.expire(drain.where, drain.manifest.policy.rotate_id_days)
        os.utime(drain.where.sender_lock, (0, 0))  # nobody relies on us any more
        os.close(lock)
        lock = storage.lock(drain.where.sender_lock) if going_on and drain.claims.spool.waiting() else None
    return _is_over(drain) and bool(_wanting(drain))


def _linger(drain: Drain) -> bool:
    """Send what waits, and what comes within the time to linger. False when there is no sense in going on."""
    idle_until = time.monotonic() + LINGER_SECONDS
    while time.monotonic() < idle_until and not _is_over(drain):
        os.utime(drain.where.sender_lock)  # alive
        if not _due(drain):
            return False
        wanting = _wanting(drain)
        if not wanting:
            time.sleep(POLL_SECONDS)
            continue
        for sink in wanting:
            if _is_over(drain) or not _allowed(drain):
                return False
            _send_batch(drain, sink)
            os.utime(drain.where.sender_lock)
        idle_until = time.monotonic() + LINGER_SECONDS
    return not _is_over(drain)


def _is_over(drain: Drain) -> bool:
    return time.monotonic() >= drain.ends


def _due(drain: Drain) -> list[str]:
    """The sinks that may be tried now; those that failed less come first, for one that hangs takes all our time."""
    known = breaker.read(drain.where)
    due = [sink for sink in drain.claims.sinks if known.of(sink).due(drain.version)]
    return sorted(due, key=lambda sink: known.of(sink).failures)


def _wanting(drain: Drain) -> list[str]:
    """Those of them for which something waits."""
    return [sink for sink in _due(drain) if drain.claims.wants(sink)]


def _allowed(drain: Drain) -> bool:
    """Whether sending is still allowed. The user was told and the run was no test, or there would be no event."""
    if environment.debug(drain.environ):
        return False  # who asks to be shown what would be sent is not to send it
    facts = consent.Facts(
        drain.environ, drain.where, drain.manifest.policy, informed=True, version=drain.version, record_in_tests=True
    )
    return consent.decide(facts).allowed


def _send_batch(drain: Drain, sink: str) -> None:
    """Send one batch to one sink, and remember how that went."""
    claims = drain.claims
    claimed = claims.claim(sink)
    admitted = gate.checked(claimed, drain.manifest.events, claims.dropped(sink))
    for name, _ in claimed:
        if name not in admitted:
            claims.done(sink, name)
    if not admitted:
        return
    breaker.attempted(drain.where, drain.sinks, sink)
    config = drain.sinks[sink]
    if config is not None and _deliver_all(drain, sink, config, admitted):
        breaker.succeeded(drain.where, drain.sinks, sink)


def _deliver_all(drain: Drain, sink: str, config: SinkConfig, admitted: Mapping[str, Event]) -> bool:
    """Deliver one request after the other, until one fails. What no request holds, the sink can't take."""
    first = next(iter(admitted.values()))["messageId"]
    left = dict(admitted)
    try:
        requests = sinks.encode(list(admitted.values()), config, event.timestamp(time.time()))
    except SinkError as error:
        nothing = {"events": 0, "bytes": 0, "body": ""}
        _note(drain, config.recipient, Outcome(delivery.RETRY, problem=str(error)), nothing)
        return False
    for request in requests:
        if _is_over(drain) or not _allowed(drain):
            return True  # the next sender goes on, or the user has said no meanwhile
        held = {item["messageId"] for item in request.events}
        own = [name for name, item in admitted.items() if item["messageId"] in held]
        outcome = _deliver(drain, sink, request, own)
        if outcome.delivery != delivery.DELIVERED:
            return False
        if first in held:
            drain.claims.told(sink)
        left = {name: item for name, item in left.items() if name not in own}
    for name in left:
        drain.claims.done(sink, name)
    return True


def _deliver(drain: Drain, sink: str, request: Request, names: list[str]) -> Outcome:
    """Send one request. Its events are done with when it was not to be tried again."""

    def forget() -> None:
        for name in names:
            drain.claims.done(sink, name)

    outcome = delivery.send(request, begun=forget)
    if outcome.delivery != delivery.RETRY:
        forget()
    _remember(drain, sink, request, outcome)
    return outcome


def _remember(drain: Drain, sink: str, request: Request, outcome: Outcome) -> None:
    """For the breaker, and for the user to read."""
    if outcome.status == delivery.GONE:
        breaker.stop(drain.where, drain.sinks, sink, drain.version)
        drain.claims.clear(sink)
    elif outcome.retry_after:
        breaker.postpone(drain.where, drain.sinks, sink, outcome.retry_after)
    if not drain.claims.sinks:
        drain.claims.spool.clear()  # nobody is left to send it to
    size = {"events": len(request.events), "bytes": len(request.body)}
    _note(drain, request.address, outcome, {**size, "body": sinks.text(request)})


def _note(drain: Drain, address: str, outcome: Outcome, details: Mapping[str, Any]) -> None:
    if not _allowed(drain):
        return  # the user said no meanwhile, which deleted the log
    try:
        sent_at = event.timestamp(time.time())
        log.append(drain.where, {"sent_at": sent_at, "to": address, **outcome._asdict(), **details})
    except StorageError:
        pass  # what was delivered is delivered, and is not sent again for want of a log
