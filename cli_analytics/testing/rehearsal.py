"""Rehearsal: what would leave of an event of a host's, for its tests, and what is wrong with the event.

It takes the same way as from the host's process through the sender's gate, but nothing is kept and nothing is sent.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from cli_analytics import event, gate, identity, manifest, recording, storage
from cli_analytics.errors import ManifestError
from cli_analytics.event import MAX_BYTES, Event
from cli_analytics.manifest import Manifest
from cli_analytics.properties import BUILT_IN

if TYPE_CHECKING:
    from cli_analytics.host import Host


class Rehearsed(NamedTuple):
    """What would leave (None: nothing), what is wrong with the event, and which variables would have said no."""

    event: Optional[Event]
    problems: list[str]
    opt_out_env: tuple[str, ...]


def rehearse(host: Host, name: str, properties: Mapping[str, Any]) -> Rehearsed:
    """Rehearse the recording of one event. Raises CliAnalyticsError where there is no manifest to use."""
    declared = _declared(host)
    meant = _without_omitted(name, properties, declared)
    found, problems = _checked(recording.build(host, name, meant, client_id=identity.PLACEHOLDER), declared)
    serious = [problem for problem in problems if not _is_placeholder(problem, meant)]
    explained = [_explained(problem, name, meant, host.manifest, declared) for problem in serious]
    return Rehearsed(found, explained, declared.policy.opt_out_env)


def _declared(host: Host) -> Manifest:
    content = storage.read(host.manifest)  # and not with open(): tests like to replace that
    if content is None:
        raise ManifestError("there is no such file", file=host.manifest)
    declared = _parse(content, host.manifest)
    if declared.tool.name != host.tool:
        raise ManifestError(f"is {declared.tool.name!r}", key="tool.name", allowed=host.tool, file=host.manifest)
    return declared


@functools.lru_cache(maxsize=8)
def _parse(content: bytes, path: str) -> Manifest:
    return manifest.parse(content, file=path)


def _checked(built: Event, declared: Manifest) -> gate.Checked:
    try:
        content = event.encode(built)
    except TypeError as error:
        return gate.Checked(None, (f"lost, because a {error}",))
    if len(content) > MAX_BYTES:
        return gate.Checked(None, (f"lost, because it is longer than {MAX_BYTES} bytes",))
    return gate.check(json.loads(content), declared.events)


def _without_omitted(name: str, properties: Mapping[str, Any], declared: Manifest) -> Mapping[str, Any]:
    """The properties but those of a built-in event that the manifest omits on purpose."""
    if name not in BUILT_IN or name not in declared.events:
        return properties
    omitted = BUILT_IN[name].properties.keys() - declared.events[name].properties.keys()
    return {key: value for key, value in properties.items() if key not in omitted}


def _is_placeholder(problem: str, properties: Mapping[str, Any]) -> bool:
    """True for a mistyped command where the manifest has a list of commands: nobody can declare it."""
    return problem.startswith("command_run.command ") and "<" in str(properties["command"])


def _explained(problem: str, name: str, given: Mapping[str, Any], path: str, declared: Manifest) -> str:
    """The problem, the kinds of what was given, and what the manifest allows instead."""
    declaration = declared.events.get(name)
    allowed = ", ".join(declared.events)
    if declaration is not None:
        allowed = ", ".join(f"{key} ({kind.allowed()})" for key, kind in declaration.properties.items())
    kinds = ", ".join(f"{key} ({type(value).__name__})" for key, value in given.items())
    subject = problem if problem.startswith(name) else f"{name} is {problem}"
    return f"{subject}\n    given: {kinds or 'nothing'}\n    {path} declares: {allowed or 'nothing'}"
