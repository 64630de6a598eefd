"""Disclosure: how do we say it? The notice, docs/ANALYTICS.md and the digest, all from the manifest.

The digest covers what a user is told: who collects what, why, where it goes and for how long. A comment, a rewording of
the page's address or the order of tables and lists do not change it; a new property or recipient does.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, Optional

from cli_analytics import environment
from cli_analytics.destination import SinkConfig
from cli_analytics.manifest import Manifest
from cli_analytics.properties import Declaration, Kind, OneOf

CONTEXT = (
    ("app, library", "the versions of the tool and of cli-analytics, which does the collecting"),
    ("os, arch, python", "the names of the operating system and the processor, the version of Python"),
    ("sessionId", "the second in which the run began, which is the same for all events of one run"),
    ("cpus", "the number of processors, cut down to a power of two"),
    ("ci, container", "the kind of CI service and of container, if any"),
    ("anonymousId", "a random id of this installation, made at the first recording"),
    ("ephemeral", "present where that id is of one start of a container, and gone with it"),
    ("dropped_events", "how many events were dropped before, because too many waited"),
    ("messageId, timestamp", "a random id of the event, so that it is not counted twice, and its time"),
)
HOW = (
    "A command that runs leaves one small file in the state directory of your user. A separate process, which never "
    "delays a command, sends the files that wait and ends; without a network they wait for at most 7 days. A random id "
    "stands for the installation, never for you or your machine."
)
NEVER = "arguments, values of options, file names, paths, host names, user names, addresses, texts of errors"

# What would mean something in a table of Markdown.
_AS_IT_IS = str.maketrans(
    {"|": "\\|", "&": "&amp;", "<": "&lt;", ">": "&gt;", "\\": "&#92;", "`": "&#96;", "*": "&#42;"}
)


def digest(declared: Manifest) -> str:
    """64 hexadecimal digits that stand for everything that is disclosed."""
    facts: dict[str, Any] = {
        "controller": declared.tool.controller,
        "events": {name: _facts(item) for name, item in declared.events.items()},
        "context": [name for name, _ in CONTEXT],
        "sinks": sorted([sink.type, sink.endpoint or sink.recipient] for sink in declared.sinks),
        "retention_days": declared.policy.retention_days,
    }
    if declared.policy.rotate_id_days:  # told of only where there is something to tell
        facts["rotate_id_days"] = declared.policy.rotate_id_days
    if declared.policy.ci == "on":
        facts["ci"] = declared.policy.ci
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def notice(declared: Manifest, sinks: Sequence[SinkConfig], *, commands: Optional[str], where: str) -> str:
    """The text shown once. `commands` is what the user types before `off`; without it, the file is named."""
    tool = declared.tool
    lines = [
        f"{tool.name} collects pseudonymous usage data. Nothing was recorded in this run.",
        f"  who    {tool.controller} ({tool.contact})",
        f"  what   {_sentence(declared)}; with a random id. Never {NEVER}",
        f"  where  {', '.join(_recipients(sinks)) or 'nowhere yet'}, kept for {declared.policy.retention_days} days",
    ]
    if tool.page:
        lines.append(f"  more   {tool.page}")
    see, no = (f"{commands} preview", f"{commands} off") if commands else ("", _write_off(where))
    if see:
        lines.append(f"  see    {see}")
    lines.append(f"  no     {no}   or: export {environment.SEND}=false")
    return "\n".join(_wrapped(line) for line in lines) + "\n"


def page(declared: Manifest) -> str:
    """The text of docs/ANALYTICS.md."""
    return "\n".join(_page(declared))


def _page(declared: Manifest) -> Iterator[str]:
    tool, policy = declared.tool, declared.policy
    yield from (
        f"# What {tool.name} collects",
        "",
        "<!-- Made by `cli-analytics docs` from the manifest. Do not edit. -->",
        "",
    )
    when = "unless you say no" if policy.default == "on" else "if you say yes"
    yield f"{tool.name} collects pseudonymous usage data, {when}. This page is everything about it."
    yield from ("", "## Why", "")
    yield from (f"- `{name}`: {item.why}." for name, item in declared.events.items())
    yield from _what(declared)
    yield from ("", "## When and where", "", f"When a command runs. {_default(declared)}")
    yield f"Where to: {_where_to(declared.sinks)}."
    yield from ("", "## Who", "", f"{tool.controller} is responsible. Write to {tool.contact}.")
    yield from ("", "## How", "", HOW)
    if tool.source:
        yield f"The code that does it can be read at {tool.source}."
    yield from _how(declared)
    yield from ("", "## How long", "", f"Events are kept for {policy.retention_days} days.")
    if policy.ends:
        yield f"Collection ends on {policy.ends}; after that day nothing is collected until you upgrade."
    yield ""


def _what(declared: Manifest) -> Iterator[str]:
    yield from ("", "## What", "")
    for name, item in declared.events.items():
        head = ("| property | what it may be |", "| --- | --- |") if item.properties else ("Only that it happened.",)
        yield from (f"### `{name}`", "", *head)
        yield from (f"| `{key}` | {_cell(kind.allowed())} |" for key, kind in item.properties.items())
        yield ""
    yield from ("### With every event", "", "| | |", "| --- | --- |")
    yield from (f"| `{name}` | {meaning} |" for name, meaning in CONTEXT)
    yield from ("", f"Never: {NEVER}. `context.ip` is always `0.0.0.0`, which tells the receiver to store none.")


def _how(declared: Manifest) -> Iterator[str]:
    name = declared.tool.name
    yield from ("", "## How to see it", "", "```sh")
    yield from (f"{name} analytics status     # on or off, and which source said so",)
    yield from (f"{name} analytics preview    # what would be sent, without sending it",)
    yield from (f"{name} analytics log        # what was sent, byte for byte",)
    yield from (f"{environment.DEBUG}=1 {name} …    # print events instead of recording them", "```")
    yield from ("", "## How to say no", "", "Any one of these is enough:", "", "```sh")
    yield f"{name} analytics off                       # for good; deletes the id and what waits"
    yield f"{name} --no-analytics …                    # for one run"
    variables = (f"{environment.SEND}=false", f"{environment.DO_NOT_TRACK}=1")
    yield from (f"export {item}" for item in (*variables, *(f"{name}=1" for name in declared.policy.opt_out_env)))
    yield "```"
    yield from ("", f"`{name} analytics reset` makes a new id that has nothing in common with the old one.")
    if declared.policy.rotate_id_days:
        yield f"Without that a new one is made every {declared.policy.rotate_id_days} days."


def _default(declared: Manifest) -> str:
    where = "in test runs" if declared.policy.ci == "on" else "in continuous integration and in test runs"
    if declared.policy.default == "on":
        first = "The first run on a terminal shows a notice and records nothing."
    else:
        first = f"Nothing is recorded, and no id exists, until you say yes with `{declared.tool.name} analytics on`."
    return f"{first} Nothing is recorded {where}."


def _facts(item: Declaration) -> dict[str, Any]:
    return {"why": item.why, "properties": {key: _set(kind) for key, kind in item.properties.items()}}


def _set(kind: Kind) -> Any:
    """A list as such: its words would be the same for `a, b` as for `a` and `b`."""
    return sorted(kind.values) if isinstance(kind, OneOf) else kind.allowed()


def _recipients(sinks: Sequence[SinkConfig]) -> list[str]:
    return [sink.recipient for sink in sinks]


def _where_to(sinks: Sequence[SinkConfig]) -> str:
    remote = [sink for sink in sinks if sink.endpoint]
    over = [f"{', '.join(_recipients(remote))}, over HTTPS"] if remote else []
    return "; ".join(over + _recipients([sink for sink in sinks if not sink.endpoint])) or "nowhere yet"


def _sentence(declared: Manifest) -> str:
    whys = (item.why[:1].lower() + item.why[1:] for item in declared.events.values())
    return "; ".join(whys)


def _write_off(choice: str) -> str:
    """A command that works before any of our folders exists."""
    folder, file = shlex.quote(os.path.dirname(choice)), shlex.quote(choice)
    return f"mkdir -p {folder} && echo off > {file}"


def _wrapped(line: str) -> str:
    """Break a line at 100 columns, but never a command that is to be copied."""
    if line.startswith(("  no", "  see")):
        return line
    return textwrap.fill(line, 100, subsequent_indent=" " * 9, break_long_words=False, break_on_hyphens=False)


def _cell(text: str) -> str:
    return text.translate(_AS_IT_IS)
