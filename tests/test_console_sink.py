"""The console: what is printed of events."""

from __future__ import annotations

from messages import SENT_AT, message

from cli_analytics import sinks
from cli_analytics.destination import SinkConfig

CONFIG = SinkConfig("console", "", {})


def test_each_event_is_a_line_of_json() -> None:
    page = message("tool_closed", {"word": "a\nb"}, type="page", messageId="1", context={"ip": "0.0.0.0"})
    identify = message(properties={}, type="identify", messageId="2", context={"ip": "0.0.0.0"})
    [request] = sinks.encode([page, identify], CONFIG, SENT_AT)
    assert request.url == "console:"
    assert request.headers == {"Content-Type": "application/x-ndjson"}
    assert request.body == (
        b'{"type":"page","name":"tool_closed","messageId":"1","anonymousId":"35009a79-1a05-49d7-b876-2b884d0f825b",'
        b'"timestamp":"2026-01-02T03:04:05.678Z","context":{"ip":"0.0.0.0"},"properties":{"word":"a\\nb"}}\n'
        b'{"type":"identify","messageId":"2","anonymousId":"35009a79-1a05-49d7-b876-2b884d0f825b",'
        b'"timestamp":"2026-01-02T03:04:05.678Z","context":{"ip":"0.0.0.0"},"traits":{}}\n'
    )
    assert request.events == [page, identify]
    assert sinks.text(request).encode() == request.body


def test_no_events_are_nothing_to_print() -> None:
    assert sinks.encode([], CONFIG, SENT_AT) == []
