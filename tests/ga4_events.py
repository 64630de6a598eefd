"""What the tests of the ga4 sink share: an event as it leaves the gate, and what is made of it."""

from __future__ import annotations

import json
from typing import Any

from ga4_twin import assert_valid

from cli_analytics import sinks
from cli_analytics.destination import SinkConfig
from cli_analytics.sinks.request import Request

CONFIG = SinkConfig("ga4", "https://www.google-analytics.com", {"measurement_id": "G-ABC1234567", "api_secret": "s3"})
SENT_AT = "2026-01-02T03:04:06.000Z"
NOW = 1767323046
CONTEXT: dict[str, Any] = {
    "ip": "0.0.0.0",
    "library": {"name": "cli-analytics", "version": "0.1.0"},
    "app": {"name": "demo", "version": "1.2.3"},
    "os": {"name": "Linux"},
    "arch": "x86_64",
    "python": "3.11",
    "cpus": 4,
    "ci": "none",
    "container": "docker",
    "sessionId": 1767323040,
}
COMMAND_RUN: dict[str, Any] = {
    "type": "track",
    "event": "command_run",
    "messageId": "01999f3e-5a10-4c4e-9d53-0b6f7f0c2f11",
    "anonymousId": "35009a79-1a05-49d7-b876-2b884d0f825b",
    "timestamp": "2026-01-02T03:04:05.678Z",
    "context": CONTEXT,
    "properties": {
        "command": "db migrate",
        "duration_ms": 1234,
        "outcome": "ok",
        "exit_code": 0,
        "options": ["--all", "--format"],
    },
}


def encode(*events: dict[str, Any]) -> list[Request]:
    """The requests, after everything that holds of each of them."""
    requests = list(sinks.encode(events, CONFIG, SENT_AT))
    assert requests == list(sinks.encode(events, CONFIG, SENT_AT))
    for request in requests:
        assert request.once
        assert request.headers == {"Content-Type": "application/json"}
        assert_valid(request.body, NOW)
    return requests


def body(request: Request) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(request.body)
    return found


def one(**changes: Any) -> dict[str, Any]:
    """The one event that is made of a command_run with `changes`."""
    [request] = encode({**COMMAND_RUN, **changes})
    [found] = body(request)["events"]
    assert isinstance(found, dict)
    return found


def params(context: dict[str, Any] = CONTEXT, /, **properties: Any) -> dict[str, Any]:
    found: dict[str, Any] = one(properties=properties, context=context)["params"]
    return found
