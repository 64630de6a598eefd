"""Console: for debugging. One event a line, as JSON; nothing leaves this machine.

The sender has no terminal, so its lines are in `<tool> analytics log`; a run with CLI_ANALYTICS_DEBUG prints its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from cli_analytics import event
from cli_analytics.destination import SinkConfig
from cli_analytics.event import Event
from cli_analytics.sinks.request import Request


def encode(events: Sequence[Event], _config: SinkConfig, _sent_at: str) -> list[Request]:
    """All of them at once."""
    lines = "".join(f"{event.encode(item)}\n" for item in events)
    return [Request("console:", {"Content-Type": "application/x-ndjson"}, lines.encode(), events)] if events else []
