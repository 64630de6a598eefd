"""Host: what the integrations and the users' commands need of the client, so that they needn't know it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Optional, Protocol, TextIO

from cli_analytics.consent import Facts
from cli_analytics.storage import Storage

if TYPE_CHECKING:
    from cli_analytics.consent import Policy


class Host(Protocol):
    """The host's one object; client.Analytics is one."""

    tool: str
    version: str
    manifest: str
    session_id: int  # when this run began, in seconds since the epoch
    flag_off: bool  # this run was started with the flag that says no
    is_uninformed: bool  # when this run began its user had not been told, so it stays off
    is_calling: bool  # a decorated function is running outside of any framework
    commands: Optional[str]  # what the user types before `status` and `off`, once they are attached

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment variables that count."""

    @property
    def stderr(self) -> Optional[TextIO]:
        """Where the notice goes."""

    def record(self, event_name: str, /, **properties: Any) -> None:
        """Record one event, if the user allows it."""

    def attempt(self, act: Callable[..., Any], *arguments: Any) -> Any:
        """Call a hook that must not trouble the host."""

    def facts(self, where: Storage, policy: Policy, *, informed: bool) -> Facts:
        """What the decision is made from."""

    def say(self, text: str) -> None:
        """One line under CLI_ANALYTICS_DEBUG, silence otherwise."""

    def print_line(self, line: str) -> None:
        """To stderr, if anybody reads it."""
