"""User commands: `mytool analytics status | on | off | log | preview | reset`, each with --json.

They record nothing and show no notice, so `off` may be the first thing a user ever does.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from typing import Any

import click

from cli_analytics import (
    breaker,
    consent,
    drain,
    event,
    first_run,
    identity,
    log,
    manifest,
    notice,
    recording,
    sinks,
    storage,
)
from cli_analytics.errors import CliAnalyticsError
from cli_analytics.host import Host
from cli_analytics.manifest import Manifest
from cli_analytics.spool import Spool
from cli_analytics.storage import Storage, StorageError

SAMPLE = {"duration_ms": 42, "outcome": "ok", "exit_code": 0, "options": []}


def group(client: Host) -> click.Group:
    """The commands for the users of `client`'s host."""
    commands = (status, on, off, preview, sent, reset)
    return click.Group("analytics", commands=[_command(client, action) for action in commands])


def status(client: Host) -> tuple[dict[str, Any], str]:
    """Say whether usage data is recorded, and which source decided."""
    where = _where(client)
    current = first_run.current_stamp(client, where)
    facts = client.facts(where, current, informed=current.informed)
    decision = consent.decide(facts)
    entries = log.read(where)
    delivered = [entry for entry in entries if entry.get("delivery") == "DELIVERED"]
    found = {
        "tool": client.tool,
        "version": client.version,
        "recording": decision.allowed,
        "decided_by": decision.source,
        "reason": decision.reason,
        "sources": [{"source": source, "says_no": reason} for source, reason in consent.explain(facts)],
        "told": current.date if current.informed else None,
        "client_id": identity.known(where) or None,
        "waiting": len(Spool(where.spool).waiting()),
        "last_attempt": {key: value for key, value in entries[-1].items() if key != "body"} if entries else None,
        "next_attempt": _next_attempt(breaker.read(where)),
        "sent": {
            "requests": len(delivered),
            "events": sum(entry.get("events", 0) for entry in delivered),
            "bytes": sum(len(entry.get("body", "")) for entry in delivered),
        },
        "destinations": [sink.endpoint for sink in manifest.destinations(_declared(client), client.environ)],
        "files": {"configuration": where.config, "state": where.state},
    }
    return found, _status_text(found)


def on(client: Host) -> tuple[dict[str, Any], str]:
    """Say yes: record usage data from the next run on."""
    where = _where(client)
    current = first_run.current_stamp(client, where)
    text = first_run.notice_text(client, where, _declared(client)).split("\n", 1)[1]
    _choose(where, "on")
    notice.mark(where, current, current.disclosure)
    decision = consent.decide(client.facts(where, current, informed=True))
    still = "" if decision.allowed else f"Yet nothing is recorded: {decision.reason} ({decision.source}).\n"
    found = {"choice": "on", "recording": decision.allowed, "decided_by": decision.source, "reason": decision.reason}
    return found, f"{client.tool} records pseudonymous usage data from now on.\n{text}{still}"


def off(client: Host) -> tuple[dict[str, Any], str]:
    """Say no, for good: delete the id, what waits and the log of what was sent."""
    where = _where(client)
    _choose(where, "off")  # first, so that a living sender sees it
    deleted = _forget(client)
    return {"choice": "off", "deleted_events": deleted}, (
        f"{client.tool} records no usage data any more. Deleted: the id, the log, and what waited ({deleted}).\n"
    )


def reset(client: Host) -> tuple[dict[str, Any], str]:
    """Start anew: delete the id, what waits and the log. The next id has nothing in common with this one."""
    deleted = _forget(client)
    return {"deleted_events": deleted}, (
        f"{client.tool} has forgotten its id. Deleted: the id, the log, and what waited ({deleted}).\n"
    )


def preview(client: Host) -> tuple[list[dict[str, Any]], str]:
    """Show what would be sent now, without sending it."""
    where, declared = _where(client), _declared(client)
    waiting = [found for content in Spool(where.spool).peek() if (found := drain.admit(content, declared))]
    intro = f"{len(waiting)} waiting, to be sent like this:\n"
    if not waiting:
        sample = recording.build(
            client, "command_run", {"command": client.tool, **SAMPLE}, client_id=identity.shown(where)
        )
        found = drain.admit(event.encode(sample).encode(), declared)
        waiting = [found] if found else []
        intro = "No event waits. This is what one looks like:\n"
    requests = [
        {"to": request.url, "body": json.loads(sinks.text(request))}
        for config in manifest.destinations(declared, client.environ)
        for request in sinks.encode(waiting, config, event.timestamp(time.time()))
    ]
    return requests, intro + "".join(f"POST {item['to']}\n{_pretty(item['body'])}\n" for item in requests)


def sent(client: Host) -> tuple[list[dict[str, Any]], str]:
    """Show what was sent, byte for byte."""
    entries = log.read(_where(client))
    lines = [
        f"{entry.get('sent_at')}  {entry.get('events')} events to {entry.get('to')}: "
        f"{entry.get('delivery')} ({entry.get('status') or entry.get('problem')})\n{entry.get('body')}\n"
        for entry in entries
    ]
    return entries, "".join(lines) or "Nothing was sent yet.\n"


Action = Callable[[Host], "tuple[Any, str]"]


def _command(client: Host, action: Action) -> click.Command:
    @functools.wraps(action)
    def callback(as_json: bool) -> None:
        try:
            found, text = action(client)
        except (CliAnalyticsError, StorageError, OSError) as error:
            raise click.ClickException(str(error)) from error
        click.echo(json.dumps(found, indent=2) if as_json else text, nl=as_json)

    option = click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON document.")
    name = "log" if action is sent else action.__name__
    return click.Command(name, callback=callback, params=[option], help=action.__doc__)


def _where(client: Host) -> Storage:
    return storage.locate(client.tool, client.environ)


def _choose(where: Storage, choice: str) -> None:
    """Keep the user's choice; root in somebody else's home keeps nothing there, but is told so."""
    problem = storage.problem(where)
    if problem:
        raise StorageError(where.choice, problem)
    storage.replace(where.choice, f"{choice} {notice.today()}\n".encode())


def _declared(client: Host) -> Manifest:
    return manifest.load(client.manifest)


def _forget(client: Host) -> int:
    where = _where(client)
    spool = Spool(where.spool)
    waiting = len(spool.waiting())
    identity.forget(where)
    spool.clear()
    log.clear(where)
    return waiting


def _next_attempt(known: breaker.Breaker) -> str | None:
    if known.gone:
        return "never: the endpoint is gone for good"
    return event.timestamp(known.not_before) if known.not_before > time.time() else None


def _status_text(found: dict[str, Any]) -> str:
    lines = [
        f"{found['tool']} {found['version']}: usage data is {'' if found['recording'] else 'NOT '}recorded",
        f"  because {found['reason']} ({found['decided_by']})",
        "",
        "Sources, in order; the first that says no wins:",
        *(f"  {item['source']:<12} {item['says_no'] or '-'}" for item in found["sources"]),
        "",
        f"told          {found['told'] or 'not yet'}",
        f"id            {found['client_id'] or 'none'}",
        f"waiting       {found['waiting']} events",
        "sent          {events} events in {requests} requests, {bytes} bytes".format(**found["sent"]),
        f"last attempt  {_attempt_text(found['last_attempt'])}",
        *([f"next attempt  {found['next_attempt']}"] if found["next_attempt"] else []),
        f"to            {', '.join(found['destinations']) or 'nowhere'}",
        f"files         {found['files']['configuration']}",
        f"              {found['files']['state']}",
    ]
    return "\n".join(lines) + "\n"


def _attempt_text(last: dict[str, Any] | None) -> str:
    if last is None:
        return "none"
    return f"{last.get('sent_at')}: {last.get('delivery')} ({last.get('status') or last.get('problem')})"


def _pretty(document: Any) -> str:
    return json.dumps(document, indent=2)
