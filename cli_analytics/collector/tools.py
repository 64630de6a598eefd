"""Tools: of which tool is an event? What it may hold is in that tool's manifest.

Segment's messages name it in `context.app.name`; one that names none is of the tool whose sink has its write key. The
other protocols have nothing but the key, and a name only counts between tools that share one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from cli_analytics.errors import ManifestError
from cli_analytics.event import Event
from cli_analytics.manifest import Manifest

_KEYS = {"segment": "write_key", "ga4": "measurement_id", "universal": "tracking_id"}


class Tools:
    """The tools whose events are taken. Raises ManifestError for two manifests of one tool."""

    def __init__(self, manifests: Sequence[Manifest]) -> None:
        self._by_name = {manifest.tool.name: manifest for manifest in manifests}
        if len(self._by_name) < len(manifests):
            raise ManifestError("two manifests have the same name", key="tool.name", allowed="one manifest a tool")
        self._by_key: dict[tuple[str, str], set[str]] = defaultdict(set)
        for manifest in manifests:
            for sink in manifest.sinks:
                if sink.type in _KEYS:
                    self._by_key[sink.type, sink.settings[_KEYS[sink.type]]].add(manifest.tool.name)

    def of(self, event: Event, sink: str) -> Manifest | None:
        """The manifest of the tool that an event is of, which came as the sink `sink` sends it."""
        name, key = _name(event), event.get("writeKey")
        if name and sink == "segment":
            return self._by_name.get(name)
        owners = self._by_key.get((sink, key), set()) if isinstance(key, str) else set()
        if name in owners or len(owners) == 1:
            return self._by_name[name if name in owners else next(iter(owners))]
        return None


def named(event: Event, tool: str) -> Event:
    """`event` with the name of its tool in it, which reports go by."""
    context = _object(event.get("context"))
    return {**event, "context": {**context, "app": {**_object(context.get("app")), "name": tool}}}


def _name(event: Event) -> str:
    name = _object(_object(event.get("context")).get("app")).get("name")
    return name if isinstance(name, str) else ""


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
