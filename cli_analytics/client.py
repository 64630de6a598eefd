"""Client: Analytics, the one object of a host and the one door through which no error gets out.

It imports next to nothing: for who said no in the environment, that is all there is. recording.py does the work.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
from _thread import get_ident
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Optional, TextIO, Union

from cli_analytics import environment

if TYPE_CHECKING:
    from typing import TypeVar

    import click

    from cli_analytics.consent import Facts, Policy
    from cli_analytics.storage import Storage

    Target = TypeVar("Target")  # a click command or a function


# The threads that we are at work in. A fork waits for the others, for in the child nobody would end an import that one
# of them has begun, and the child would wait for that for ever. No thread waits for another. One that begins between
# that look and the fork is missed; it would have to be the first to import something in those few microseconds.
_at_work: set[int] = set()
LONGEST_WAIT_SECONDS = 1.0
EXIT_SECONDS = 0.5  # in which a run that ends its container sees its events off
_stranded: set[int] = set()  # what was at work in the parent all the same: then the child does nothing of ours


class Analytics:
    """Usage analytics of the host `tool`, version `version`, as its manifest declares them.

    `manifest` is the path of analytics.toml. `host_setting` is what the host's own configuration says: False is an
    opt-out, None and True are no opinion. `record_in_tests` records in test runs and development versions too.
    `environ` and `stderr` are the real ones unless given.
    """

    def __init__(
        self,
        tool: str,
        *,
        version: str,
        manifest: Union[str, os.PathLike[str]],
        host_setting: Optional[bool] = None,
        record_in_tests: bool = False,
        environ: Optional[Mapping[str, str]] = None,
        stderr: Optional[TextIO] = None,
    ) -> None:
        self.tool = tool
        self.version = version
        self.manifest = _absolute(os.fspath(manifest))
        self.host_setting = host_setting
        self.record_in_tests = record_in_tests
        self.session_id = int(time.time())  # of this run
        self.flag_off = False  # this run was started with --no-analytics
        self.commands: Optional[str] = None  # what the user types before `status` and `off`, once they are attached
        self.is_uninformed = False  # when this run began its user had not been told, so it stays off
        self.is_calling = False  # a decorated function is running outside of any framework
        self._flushes_at_exit = False
        self._environ = environ
        self._stderr = stderr

    def command(self, target: Target) -> Target:
        """Record the runs of a click command, of a group with all below it, or of a function.

        Use it as a decorator, above or below click's own. Above, calls that click refuses to parse are recorded too;
        below, only what reaches the function, and not what fails after it. On a function outside of click an uncaught
        exception's traceback has one more frame.
        """
        instrumented: Optional[Target] = self.attempt(self._command, target)
        return target if instrumented is None else instrumented

    def attach(
        self, cli: click.Command, *, group: Optional[str] = "analytics", flag: Optional[str] = "--no-analytics"
    ) -> None:
        """Record the runs of every command of the tree `cli`.

        The tree also gets the command group `group` (`status`, `on`, `off`, `log`, `preview`, `reset`; None: without,
        and a command of the host's with that name wins) and the option `flag`, which says no for one run (None:
        without). In a group whose unknown names mean something, as with a default command, `group` takes that name.
        """
        self.attempt(self._attach, cli, group, flag)

    def record(self, event_name: str, /, **properties: Any) -> None:
        """Record one event, if the user allows it. Never raises, never waits for the network."""
        self.attempt(self._record, event_name, properties)

    def feature(self, name: str) -> None:
        """Record that the feature `name` was used; the manifest lists the names under `[events.feature_used]`."""
        self.record("feature_used", feature=name)

    def flush(self, timeout: float = 0.5) -> bool:
        """Wait up to `timeout` seconds until nothing waits to be sent. True if nothing does."""
        flush = self.attempt(_load_flush)
        return flush is not None and bool(self._pass(flush, self, timeout))

    def attempt(self, act: Callable[..., Any], *arguments: Any) -> Any:
        """What `act` returns, None if it raises."""
        if _stranded:
            return None
        thread = get_ident()
        is_nested = thread in _at_work
        _at_work.add(thread)
        try:
            return self._pass(act, *arguments)
        finally:
            if not is_nested:
                _at_work.discard(thread)

    def _pass(self, act: Callable[..., Any], *arguments: Any) -> Any:
        """The door: what `act` returns, None if it raises. What was swallowed is said under CLI_ANALYTICS_DEBUG."""
        try:
            return act(*arguments)
        except Exception as error:  # noqa: BLE001
            try:
                self.say(f"{type(error).__name__}: {error}")
            except Exception:  # noqa: BLE001, S110  at the very end of the stack or of the memory
                pass
            return None

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment variables that count."""
        return os.environ if self._environ is None else self._environ

    @property
    def stderr(self) -> Optional[TextIO]:
        """Where the notice goes; None in a process that has none."""
        return sys.stderr if self._stderr is None else self._stderr

    def facts(self, where: Storage, policy: Policy, *, informed: bool) -> Facts:
        """What the decision is made from."""
        from cli_analytics.consent import Facts

        return Facts(
            self.environ,
            where,
            policy,
            informed=informed,
            version=self.version,
            flag_off=self.flag_off,
            host_setting=self.host_setting,
            record_in_tests=self.record_in_tests,
        )

    def say(self, text: str) -> None:
        """One line under CLI_ANALYTICS_DEBUG, silence otherwise."""
        if environment.debug(self.environ):
            self.print_line(f"{self.tool} analytics: {' '.join(text.splitlines())}")

    def print_line(self, line: str) -> None:
        """To stderr, if anybody reads it."""
        stderr = self.stderr
        try:
            if stderr is not None:
                stderr.write(f"{line}\n")
        except (OSError, ValueError):
            pass  # nobody reads it

    def _is_silent(self) -> bool:
        """True where a variable that every tool knows says no, and nobody asks for the reason: then nothing is done."""
        environ = self.environ
        opted_out = environment.says_off(environ) or environment.opts_out(environ, environment.DO_NOT_TRACK)
        return opted_out and not environment.debug(environ)

    def _command(self, target: Any) -> Any:
        if self._is_silent():
            return None
        from cli_analytics.integrations import click

        if hasattr(target, "make_context"):
            return click.observe(self, target)
        from cli_analytics.integrations import function

        return function.decorate(self, target)

    def _attach(self, cli: click.Command, group: Optional[str], flag: Optional[str]) -> None:
        from cli_analytics.integrations import click, groups

        if not self._is_silent():
            self.attempt(click.observe, self, cli)
        if group is not None:
            self.attempt(groups.mount, self, cli, group)
        if flag is not None:
            self.attempt(groups.add_flag, self, cli, flag)

    def _record(self, event_name: str, properties: Mapping[str, Any]) -> None:
        if not self._is_silent():
            from cli_analytics import recording

            if recording.record(self, event_name, properties) and not self._flushes_at_exit:
                self._flushes_at_exit = True
                atexit.register(self._flush_at_exit)

    def _flush_at_exit(self) -> None:
        """For a container that ends with this run, and with it whoever would send."""
        try:
            self.flush(EXIT_SECONDS)
        except BaseException:  # noqa: BLE001, S110  somebody got impatient
            pass


def _load_flush() -> Callable[[Analytics, float], bool]:
    """Which a fork waits for, but not for the waiting."""
    from cli_analytics import flush

    return flush.flush


def _wait_for_others() -> None:
    ends = time.monotonic() + LONGEST_WAIT_SECONDS
    while _at_work - {get_ident()} and time.monotonic() < ends:
        time.sleep(0.001)


def _forget_others() -> None:
    _stranded.update(_at_work - {get_ident()})
    _at_work.intersection_update({get_ident()})


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_wait_for_others, after_in_child=_forget_others)


def _absolute(path: str) -> str:
    """`path` as it is meant now, before the host changes its directory."""
    try:
        return os.path.abspath(path)
    except OSError:
        return path  # the directory is gone
