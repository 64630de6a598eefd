"""Recording: the way of one event in the host's process.

    record ── decide ── notice, if only that was missing ── event.build ── Spool.append ── sender, if one is due

In a container that may end with this run nobody is left to send: the run itself waits for that, or the launcher's side
does it.

What is needed of the manifest is taken from the stamp; only when there is none, or the manifest's bytes changed, is the
manifest parsed, and not even then for who says no without it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Optional

from cli_analytics import consent, environment, event, storage
from cli_analytics.consent import Decision, Stamp
from cli_analytics.spool import Spool
from cli_analytics.storage import Storage

if TYPE_CHECKING:
    from cli_analytics.host import Host

LONGEST_PAUSE_SECONDS = 24 * 3600  # breaker.py has the reason
ALIVE_SECONDS = 2.0  # a living sender touches its lock ten times a second; some file systems keep even seconds


def record(host: Host, name: str, properties: Mapping[str, Any]) -> bool:
    """Record one event, if the user allows it. True if this run has to flush. Raises everything that can go wrong."""
    where = storage.locate(host.tool, host.environ)
    decision = decide(host, where)
    if not decision.allowed:
        host.say(f"{name} was not recorded: {decision.reason} ({decision.source})")
    elif environment.debug(host.environ):
        from cli_analytics import identity, preview

        preview.show(host, build_in(host, where, name, properties, identity.shown(where, host.environ)))
    elif not _is_gone(host, where):
        is_deployed = where.is_mounted or _may_be_deployed(host)
        if is_deployed:
            from cli_analytics import deployment

            deployment.announce(host, where)
        built = build_in(host, where, name, properties, _client_id(host, where))
        content = event.encode(deployment.admitted(host, built) if where.is_mounted else built).encode()
        if len(content) <= event.MAX_BYTES:
            Spool(where.spool, is_mounted=where.is_mounted).append(content)
            if not where.is_mounted:  # whose launcher sends
                start_sender(host, where)
                return is_deployed and deployment.has_to_flush(host)
    return False


def build(
    host: Host, name: str, properties: Mapping[str, Any], *, client_id: str, is_ephemeral: bool = False
) -> event.Event:
    """An event of this host as it would wait in the spool."""
    context = event.context(
        host.tool, host.version, host.environ, session_id=host.session_id, is_ephemeral=is_ephemeral
    )
    return event.build(name, properties, client_id=client_id, context=context, now=time.time())


def build_in(host: Host, where: Storage, name: str, properties: Mapping[str, Any], client_id: str) -> event.Event:
    """The same, of the installation whose files lie at `where`. The id that a launcher hands over is not ephemeral."""
    is_ephemeral = where.is_ephemeral and environment.handover(host.environ) is None
    return build(host, name, properties, client_id=client_id, is_ephemeral=is_ephemeral)


def decide(host: Host, where: Storage) -> Decision:
    """The decision; where only the notice was missing it is shown, and this run still records nothing."""
    if host.is_uninformed:
        return Decision(False, consent.NOT_INFORMED, "when this run began you had not been told")
    content = storage.read(host.manifest)
    kept = consent.read_stamp(where)
    is_known = kept is not None and kept.manifest == content
    if kept is not None and is_known:
        decision = consent.decide(host.facts(where, kept, informed=kept.informed))
    else:
        decision = consent.decide(host.facts(where, Stamp(), informed=True))
    if decision.source == consent.NOT_INFORMED or (decision.allowed and not is_known):
        decision = _first_decision(host, where, kept, is_known=is_known)
        host.is_uninformed = decision.source == consent.NOT_INFORMED
    return decision


def _first_decision(host: Host, where: Storage, kept: Optional[Stamp], *, is_known: bool) -> Decision:
    """The decision of a run whose user may have to be told; unless somebody can be, there is no need to parse."""
    from cli_analytics import notice

    is_said = environment.says_yes(host.environ) or environment.handover(host.environ) is not None
    nothing_new = is_known or (kept is None and not is_said)
    if nothing_new and not notice.can_show(host.stderr, host.environ):
        return Decision(False, consent.NOT_INFORMED, "you have not been told yet, and stderr is no terminal")
    from cli_analytics import first_run

    return first_run.decide(host, where, kept)


def _may_be_deployed(host: Host) -> bool:
    """Whether a deployer's yes or a launcher may count here. deployment.py knows, which takes 4 ms to load."""
    said = environment.says_yes(host.environ) or environment.handover(host.environ) is not None
    return said and environment.container(host.environ) != "none"


def _client_id(host: Host, where: Storage) -> str:
    """The client id, made now if there is none. Raises StorageError where it can't be read or kept."""
    handed = environment.handover(host.environ)
    if handed is not None:
        return handed[0]
    kept = (storage.read(where.client_id) or b"").decode("ascii", "replace").strip()
    if environment.is_client_id(kept):
        return kept
    from cli_analytics import identity

    return identity.known(where) or identity.create(where)


def _is_gone(host: Host, where: Storage) -> bool:
    """Whether the endpoint told this version of the host to stop, so that nothing would ever leave."""
    if _seconds_until(where.breaker) > 1 - time.time():
        return False
    from cli_analytics import breaker

    return not breaker.read(where).due(host.version)


def start_sender(host: Host, where: Storage) -> bool:
    """See to it that a sender is alive, if one is due. True if one is."""
    if 0 <= -_seconds_until(where.sender_lock) < ALIVE_SECONDS:
        return True  # a sender that ends takes the mark away first, and looks at the spool once more after that
    if 0 < _seconds_until(where.breaker) <= LONGEST_PAUSE_SECONDS:
        return False
    from cli_analytics import sender

    return sender.start_if_due(where, manifest=host.manifest, version=host.version, environ=host.environ)


def _seconds_until(path: str) -> float:
    """How far the time of a file lies ahead; a day ago for one that isn't there."""
    try:
        return os.stat(path).st_mtime - time.time()
    except OSError:
        return -LONGEST_PAUSE_SECONDS
