"""Function: a decorated function, be it a callback that click calls or one of its own.

A callback reports by the path of its command; a group's, when it runs a subcommand, leaves the reporting to that one.
A function outside of click reports by its own name.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Optional

import click

from cli_analytics.integrations import endings, frames
from cli_analytics.integrations.click import judge, observe, options_of, path_of, record, run_of

if TYPE_CHECKING:
    from cli_analytics.host import Host

_COROUTINE = 0x80  # inspect.CO_COROUTINE


def decorate(client: Host, function: Any) -> Any:
    """`function`, whose calls are recorded."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with _Call(client, function, wrapper):
            return function(*args, **kwargs)

    @functools.wraps(function)
    async def async_wrapper(*args: Any, **kwargs: Any) -> Any:
        with _Call(client, function, async_wrapper):
            return await function(*args, **kwargs)

    is_coroutine = getattr(getattr(function, "__code__", None), "co_flags", 0) & _COROUTINE
    return async_wrapper if is_coroutine else wrapper


class _Call:
    """One call of a decorated function; says nothing inside a run that is recorded already."""

    def __init__(self, client: Host, function: Any, wrapper: Any) -> None:
        self.client = client
        self.function = function
        self.wrapper = wrapper
        self.ctx: Optional[click.Context] = None  # of the command whose callback it is
        self.is_recorded_elsewhere = True

    def __enter__(self) -> None:
        self.client.attempt(self._begin)
        self.started = time.perf_counter()

    def __exit__(self, kind: object, error: Optional[BaseException], trace: object) -> None:
        if not self.is_recorded_elsewhere:
            self.client.attempt(self._end, error)

    def _begin(self) -> None:
        ctx = click.get_current_context(silent=True)
        if self.client.is_calling or run_of(self.client, ctx) is not None or _is_completion(self.client.environ):
            return
        self.is_recorded_elsewhere = False
        if ctx is None or not _calls_back(ctx.command, self.wrapper):
            self.client.is_calling = True
            return
        self.ctx = ctx
        ctx.call_on_close(frames.hide_active)
        if ctx.invoked_subcommand is not None:
            self._hand_down(ctx)

    def _hand_down(self, group: Any) -> None:
        """A group that runs a subcommand: that one is the command, unless the group itself fails."""
        registered = getattr(group.command, "commands", {})
        name = group.invoked_subcommand
        found = registered.values() if name == "*" else [registered.get(name) or group.command.get_command(group, name)]
        for subcommand in found:
            observe(self.client, subcommand)

    def _end(self, error: Optional[BaseException]) -> None:
        if self.ctx is None:
            if not self.client.is_calling:
                return  # it ran a command, which has been recorded
            self.client.is_calling = False
            name = str(self.function.__name__).replace("_", "-")
            record(self.client, name, self.started, endings.judge(error, under_click=False), [])
        elif error is not None or self.ctx.invoked_subcommand is None:
            path = path_of(self.ctx, tool=self.client.tool)
            record(self.client, path, self.started, judge(error), options_of(self.ctx))


def _is_completion(environ: Mapping[str, str]) -> bool:
    """True while a shell asks for completions: click and argcomplete set variables such as _MYTOOL_COMPLETE."""
    return any(name.startswith("_") and name.endswith("COMPLETE") for name in environ)


def _calls_back(command: click.Command, wrapper: Any) -> bool:
    """True when the command calls `wrapper`, through whatever was put around it."""
    callback: Any = command.callback
    while callback is not None and callback is not wrapper:
        callback = getattr(callback, "__wrapped__", None)
    return callback is wrapper
