"""Status: is usage data recorded, and why; what waits, what was sent, how that went, and what it has cost.

It answers whatever is broken: a file that can't be read, a manifest with an error or a missing home is itself the
reason why nothing is recorded.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

from cli_analytics import breaker, consent, environment, event, first_run, gate, identity, log, manifest, storage
from cli_analytics.breaker import Breakers
from cli_analytics.claims import Claims
from cli_analytics.consent import NOT_INFORMED, Decision, Stamp
from cli_analytics.errors import ManifestError
from cli_analytics.explanation import explain
from cli_analytics.host import Host
from cli_analytics.spool import Spool
from cli_analytics.storage import Storage, StorageError

Value = TypeVar("Value")

NOTHING_WAITS: dict[str, Any] = {"events": 0, "bytes": 0, "names": {}}


def status(client: Host) -> dict[str, Any]:
    """Everything, as a document. Raises nothing that a broken file can cause."""
    try:
        where = storage.locate(client.tool, client.environ)
    except StorageError as error:
        return {**_head(client, Decision(False, "storage", str(error))), "sources": []}
    stamp, problem = _stamp(client, where)
    facts = client.facts(where, stamp, informed=stamp.informed or problem is not None)
    decision = consent.decide(facts)
    if decision.allowed:
        decision = problem or _afterthought(client, where) or decision
    entries = _or(list[dict[str, Any]](), log.read, where)
    return {
        **_head(client, decision),
        "sources": explain(facts, decision),
        "told": stamp.date if stamp.informed else None,
        "client_id": _or("", _client_id, client, where) or None,
        "waiting": _or(NOTHING_WAITS, _waiting, client, where),
        "last_attempt": {key: value for key, value in entries[-1].items() if key != "body"} if entries else None,
        "sent": log.totals(entries),
        "destinations": _or(list[dict[str, Any]](), _destinations, client, where),
        "files": {"configuration": where.config, "state": where.state},
    }


def _head(client: Host, decision: Decision) -> dict[str, Any]:
    return {
        "tool": client.tool,
        "version": client.version,
        "recording": decision.allowed,
        "decided_by": decision.source,
        "reason": decision.reason,
    }


def _stamp(client: Host, where: Storage) -> tuple[Stamp, Decision | None]:
    """The stamp as it is, and what stands against recording where there can be none."""
    try:
        return first_run.current_stamp(client, where), None
    except ManifestError as error:
        return Stamp(), Decision(False, "manifest", str(error))
    except StorageError as error:
        return Stamp(), Decision(False, NOT_INFORMED, str(error))


def _afterthought(client: Host, where: Storage) -> Decision | None:
    """What keeps a run that may record from recording."""
    if environment.debug(client.environ):
        return Decision(False, "debug", f"{environment.DEBUG} is set: events are printed and not recorded")
    if _or(Breakers({}), breaker.read, where).is_gone(client.version):
        return Decision(False, "endpoint", "it is gone for good (HTTP 410), until the tool is upgraded")
    try:
        identity.known(where)
    except StorageError as error:
        return Decision(False, "storage", str(error))
    full = next(filter(_is_full, (where.config, where.state)), "")
    return Decision(False, "storage", f"can't store anything in {full}: the disk is full") if full else None


def _is_full(folder: str) -> bool:
    """Whether there is no room for a file, which no mode shows; a folder that isn't there yet is not."""
    try:
        room = os.statvfs(folder)
    except (OSError, AttributeError):  # Windows has none
        return False
    free = room.f_bfree if os.geteuid() == 0 else room.f_bavail
    return free == 0 or (room.f_files > 0 and room.f_ffree == 0)


def _waiting(client: Host, where: Storage) -> dict[str, Any]:
    """What waits, and how much of it would be sent next of each event."""
    declared = manifest.load(client.manifest).events
    contents = Spool(where.spool).peek()
    admitted = [found["event"] for content in contents if (found := gate.admit(content, declared))]
    return {"events": len(contents), "bytes": sum(map(len, contents)), "names": dict(Counter(admitted))}


def _client_id(client: Host, where: Storage) -> str:
    handed = environment.handover(client.environ)
    return handed[0] if handed else identity.known(where)


def _destinations(client: Host, where: Storage) -> list[dict[str, Any]]:
    """Each sink, how much waits for it, and when that is tried next if not with the next event."""
    declared = manifest.destinations(manifest.load(client.manifest), client.environ)
    spool = Spool(where.spool)
    return [
        {
            "to": config.recipient,
            "address": config.endpoint or None,
            "waiting": Claims(spool, [config.key]).waiting(config.key),
            "next_attempt": _next_attempt(client, where, config.key) or None,
        }
        for config in declared
    ]


def _next_attempt(client: Host, where: Storage, sink: str) -> str:
    try:
        known = breaker.read(where).of(sink)
    except StorageError as error:
        return f"never: {error}"
    if known.is_gone(client.version):
        return "never: the endpoint is gone for good"
    return "" if known.due(client.version) else event.timestamp(known.not_before)


def _or(default: Value, read: Callable[..., Value], *arguments: Any) -> Value:
    """What `read` finds, `default` where it can't be read; the decision has the reason."""
    try:
        return read(*arguments)
    except (StorageError, ManifestError, OSError):
        return default


def as_text(found: dict[str, Any]) -> str:
    """The document as a person reads it."""
    lines = [
        f"{found['tool']} {found['version']}: usage data is {'' if found['recording'] else 'NOT '}recorded",
        f"  because {found['reason']} ({found['decided_by']})",
        *_source_lines(found["sources"]),
    ]
    if "files" in found:
        lines += _detail_lines(found)
    return "\n".join(lines) + "\n"


def _source_lines(sources: list[dict[str, Any]]) -> list[str]:
    lines = ["", "Sources, in order; the first that says no wins:"] if sources else []
    for item in sources:
        verdict = "says no" if item["says_no"] else "-"
        lines.append(f"  {item['source']:<12} {verdict:<8} {'<- decided' if item['decided'] else ''}".rstrip())
        lines += [f"    {looked['where']}: {_value_text(**looked)}" for looked in item["looked_at"]]
    return lines


def _value_text(where: str, value: str | None) -> str:
    if value is None:
        return "absent" if os.path.isabs(where) else "not set"
    return value or "empty"


def _detail_lines(found: dict[str, Any]) -> list[str]:
    waiting = found["waiting"]
    names = ", ".join(f"{name} {count}" for name, count in sorted(waiting["names"].items()))
    return [
        "",
        f"told          {found['told'] or 'not yet'}",
        f"id            {found['client_id'] or 'none'}",
        f"waiting       {waiting['events']} events, {waiting['bytes']} bytes{f' ({names})' if names else ''}",
        f"last attempt  {_attempt_text(found['last_attempt'])}",
        "sent          {events} events in {requests} requests, {bytes} bytes".format(**found["sent"]),
        *(_destination_line(sink, is_recording=found["recording"]) for sink in found["destinations"]),
        f"files         {found['files']['configuration']}",
        f"              {found['files']['state']}",
    ]


def _destination_line(sink: dict[str, Any], *, is_recording: bool) -> str:
    when = sink["next_attempt"] or ("with the next event" if is_recording else "none")
    return f"to            {sink['to']}: {sink['waiting']} waiting, next attempt {when}"


def _attempt_text(last: dict[str, Any] | None) -> str:
    if last is None:
        return "none"
    return f"{last.get('sent_at')}: {last.get('delivery')} ({last.get('status') or last.get('problem')})"
