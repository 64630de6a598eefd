"""Host: what the integrations and the users' commands need of the client, so that they needn't know it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Optional, Protocol, TextIO

from cli_analytics.consent import Facts
from cli_analytics.event import Event
from cli_analytics.stamp import Stamp
from cli_analytics.storage import Storage


class Host(Protocol):
    """The host's one object; client.Analytics is one."""

    tool: str
    version: str
    manifest: str
    flag_off: bool  # this run was started with the flag that says no
    is_calling: bool  # a decorated function is running outside of any framework
    commands: Optional[str]  # what the user types before `status` and `off`, once they are attached

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment variables that count."""

    @property
    def stderr(self) -> Optional[TextIO]:
        """Where the notice goes."""

    @property
    def where(self) -> Storage:
        """Where its files lie."""

    def record(self, event_name: str, /, **properties: Any) -> None:
        """Record one event, if the user allows it."""

    def attempt(self, hook: Callable[..., None], *arguments: Any) -> None:
        """Call a hook that must not trouble the host."""

    def facts(self, where: Storage, current: Stamp) -> Facts:
        """What the decision is made from."""

    def current_stamp(self, where: Storage) -> Stamp:
        """What the user was told, beside what the manifest says now."""

    def build(self, event_name: str, properties: Mapping[str, Any], *, client_id: str) -> Event:
        """An event of this host."""
