"""User commands: `mytool analytics status | on | off | log | preview | reset`, each with --json.

They record nothing and show no notice, so `off` may be the first thing a user ever does.
"""

from __future__ import annotations

import errno
import functools
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import click

from cli_analytics import (
    consent,
    environment,
    event,
    first_run,
    gate,
    identity,
    log,
    manifest,
    notice,
    recording,
    sinks,
    storage,
)
from cli_analytics import status as report
from cli_analytics.claims import Claims
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
    """Say whether usage data is recorded and why, what waits, what was sent and what that has cost."""
    found = report.status(client)
    return found, report.as_text(found)


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
    try:
        where = _where(client)
    except StorageError as error:
        advice = f"to say no, set {environment.SEND}=false"
        raise CliAnalyticsError(f"your choice can't be kept ({error}); {advice}") from error
    problem = _attempt(_choose, where, "off")  # first, so that a living sender sees it
    problem = problem and _unkept(client, where, problem)
    deleted, left = _forget(where)
    if problem or left:
        raise CliAnalyticsError("; ".join(filter(None, (problem, left))))
    return {"choice": "off", "deleted_events": deleted}, (
        f"{client.tool} records no usage data any more. Deleted: the id, the log, and what waited ({deleted}).\n"
    )


def reset(client: Host) -> tuple[dict[str, Any], str]:
    """Start anew: delete the id, what waits and the log. The next id has nothing in common with this one."""
    deleted, left = _forget(_where(client))
    if left:
        raise CliAnalyticsError(left)
    return {"deleted_events": deleted}, (
        f"{client.tool} has forgotten its id. Deleted: the id, the log, and what waited ({deleted}).\n"
    )


def preview(client: Host) -> tuple[list[dict[str, Any]], str]:
    """Show what would be sent now, without sending it."""
    where, declared = _where(client), _declared(client)
    destinations = manifest.destinations(declared, client.environ)
    claims = Claims(Spool(where.spool), [config.key for config in destinations])
    waiting = [_batches(claims, declared, config.key) for config in destinations]
    count = len(Spool(where.spool).peek())
    intro = f"{count} waiting, to be sent like this:\n"
    if not any(waiting):
        properties = {"command": client.tool, **SAMPLE}
        sample = recording.build_in(client, where, "command_run", properties, identity.shown(where, client.environ))
        found = gate.checked([("", event.encode(sample).encode())], declared.events, 0)
        waiting = [[list(found.values())] for _ in destinations]
        intro = "No event waits. This is what one looks like:\n"
    requests = [
        {"to": request.address, "body": _readable(sinks.text(request))}
        for config, batches in zip(destinations, waiting)
        for batch in batches
        for request in sinks.encode(batch, config, event.timestamp(time.time()))
    ]
    return requests, intro + "".join(f"POST {item['to']}\n{_pretty(item['body'])}\n" for item in requests)


def _batches(claims: Claims, declared: Manifest, sink: str) -> list[list[event.Event]]:
    """What the sender would send next to one sink, one batch after the other."""
    batches, told = [], 0
    for claimed, dropped in claims.peek(sink):
        batch = list(gate.checked(claimed, declared.events, dropped - told).values())
        if batch:
            batches.append(batch)
            told = dropped
    return batches


def _readable(text: str) -> Any:
    """The document in a body, or its text where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return text


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
        _print(f"{json.dumps(found, indent=2)}\n" if as_json else text)

    option = click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON document.")
    name = "log" if action is sent else action.__name__
    return click.Command(name, callback=callback, params=[option], help=action.__doc__)


def _print(text: str) -> None:
    """To stdout; what its encoding has no signs for, such as a path that is no text, as escapes."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        click.echo(text.encode(encoding, "backslashreplace").decode(encoding), nl=False)
    except OSError as error:
        if error.errno == errno.EPIPE:  # which click knows how to end with
            raise
        raise click.ClickException(f"can't print: {error.strerror}") from error


def _where(client: Host) -> Storage:
    return storage.locate(client.tool, client.environ)


def _choose(where: Storage, choice: str) -> None:
    """Keep the user's choice; root in somebody else's home keeps nothing there, but is told so."""
    problem = storage.problem(where, os.path.dirname(where.choice))
    if problem:
        raise StorageError(where.choice, problem)
    storage.replace(where.choice, f"{choice} {notice.today()}\n".encode())


def _declared(client: Host) -> Manifest:
    return manifest.load(client.manifest)


def _unkept(client: Host, where: Storage, problem: str) -> str:
    """What is wrong, and what to do. Without the stamp nothing is recorded before the next notice."""
    left = _attempt(storage.remove, where.stamp)
    until = "" if left else f"Nothing is recorded until {client.tool} shows its notice again; "
    return f"your choice can't be kept ({problem}). {until}to say no for good, set {environment.SEND}=false"


def _forget(where: Storage) -> tuple[int, str]:
    """Delete the id, the log and what waits, each as far as that goes: how much waited, and what could not be."""
    spool = Spool(where.spool)
    waiting = _count(spool)
    problems = [_attempt(delete, item) for delete, item in ((identity.forget, where), (log.clear, where))]
    return waiting, "; ".join(filter(None, [*problems, _attempt(spool.clear)]))


def _count(spool: Spool) -> int:
    try:
        return len({*spool.waiting(), *spool.held()})
    except StorageError:
        return 0


def _attempt(act: Callable[..., None], *arguments: Any) -> str:
    """Do it; what went wrong, empty if nothing did."""
    try:
        act(*arguments)
    except (StorageError, OSError) as error:
        return str(error)
    return ""


def _pretty(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document, indent=2)
