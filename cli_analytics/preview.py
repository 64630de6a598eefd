"""Preview: what would be sent, for CLI_ANALYTICS_DEBUG. Nothing is kept and nothing is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli_analytics import event, gate, manifest
from cli_analytics.event import Event

if TYPE_CHECKING:
    from cli_analytics.host import Host


def show(host: Host, built: Event) -> None:
    """Print an event as it would leave, and what is wrong with it. Raises ManifestError."""
    checked = gate.check(built, manifest.load(host.manifest).events)
    for problem in checked.problems:
        host.say(problem)
    if checked.event is not None:
        host.print_line(event.encode(checked.event))
