"""Client: Analytics, the one object of a host and the one door through which no error gets out.

    record ── consent.decide ── notice.ensure_shown ── event.build ── Spool.append ── sender.start_if_due

What it needs of the manifest it takes from the stamp; only when there is none, or the manifest's bytes changed, is the
manifest parsed.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Optional, TextIO, Union

from cli_analytics import consent, context, environment, event, stamp, storage
from cli_analytics.consent import Decision, Facts
from cli_analytics.spool import Spool
from cli_analytics.stamp import Stamp
from cli_analytics.storage import Storage

if TYPE_CHECKING:
    from typing import TypeVar

    import click

    Target = TypeVar("Target")  # a click command or a function

POLL_SECONDS = 0.01
ALIVE_SECONDS = 2.0  # a living sender touches its lock ten times a second; some file systems keep even seconds


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
        self.flag_off = False  # this run was started with --no-analytics
        self.commands: Optional[str] = None  # what the user types before `status` and `off`, once they are attached
        self.is_calling = False  # a decorated function is running outside of any framework
        self._environ = environ
        self._stderr = stderr

    def command(self, target: Target) -> Target:
        """Record the runs of a click command, of a group with all below it, or of a function.

        Use it as a decorator, above or below click's own. Above, calls that click refuses to parse are recorded too;
        below, only what reaches the function. On a function outside of click an uncaught exception's traceback has one
        more frame.
        """
        from cli_analytics.integrations import click

        if hasattr(target, "make_context"):
            self.attempt(click.observe, self, target)
            return target
        from cli_analytics.integrations import function

        decorated: Target = function.decorate(self, target)
        return decorated

    def attach(
        self, cli: click.Command, *, group: Optional[str] = "analytics", flag: Optional[str] = "--no-analytics"
    ) -> None:
        """Record the runs of every command of the tree `cli`.

        The tree also gets the command group `group` (`status`, `on`, `off`, `log`, `preview`, `reset`; None: without,
        and a command of the host's with that name wins) and the option `flag`, which says no for one run (None:
        without).
        """
        from cli_analytics.integrations import click, users

        self.attempt(click.observe, self, cli)
        if group is not None:
            self.attempt(users.mount, self, cli, group)
        if flag is not None:
            self.attempt(users.add_flag, self, cli, flag)

    def record(self, event_name: str, /, **properties: Any) -> None:
        """Record one event, if the user allows it. Never raises, never waits for the network."""
        try:
            self._record(event_name, properties)
        except Exception as error:  # noqa: BLE001  the door
            self.report(error)

    def feature(self, name: str) -> None:
        """Record that the feature `name` was used; the manifest lists the names under `[events.feature_used]`."""
        self.record("feature_used", feature=name)

    def flush(self, timeout: float = 0.5) -> bool:
        """Wait up to `timeout` seconds until nothing waits to be sent. True if nothing does."""
        try:
            where = self.where
            ends = time.monotonic() + timeout
            waiting = Spool(where.spool)
            while not waiting.is_empty():
                if time.monotonic() >= ends or not (self.start_sender(where) or self._is_sending(where)):
                    return False
                time.sleep(POLL_SECONDS)
            return True
        except Exception as error:  # noqa: BLE001  the door
            self.report(error)
            return False

    def attempt(self, hook: Callable[..., None], *arguments: Any) -> None:
        """Call a hook of an integration, which must not trouble the host either."""
        try:
            hook(*arguments)
        except Exception as error:  # noqa: BLE001  the door
            self.report(error)

    def report(self, error: Exception) -> None:
        """Say what was swallowed, in one line, under CLI_ANALYTICS_DEBUG."""
        self.say(f"{type(error).__name__}: {error}")

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment variables that count."""
        return os.environ if self._environ is None else self._environ

    @property
    def stderr(self) -> Optional[TextIO]:
        """Where the notice goes; None in a process that has none."""
        return sys.stderr if self._stderr is None else self._stderr

    @property
    def where(self) -> Storage:
        """Where this host's files lie. Raises StorageError where the user has no home."""
        return storage.locate(self.tool, self.environ)

    def facts(self, where: Storage, current: Stamp) -> Facts:
        """What the decision is made from."""
        return Facts(
            environ=self.environ,
            where=where,
            policy=current,
            informed=current.informed,
            version=self.version,
            flag_off=self.flag_off,
            host_setting=self.host_setting,
            record_in_tests=self.record_in_tests,
        )

    def current_stamp(self, where: Storage) -> Stamp:
        """What the user was told, beside what the manifest says now. Raises StorageError or ManifestError."""
        content = storage.read(self.manifest)
        kept = stamp.read(where)
        if kept is not None and kept.manifest == content:
            return kept
        from cli_analytics import first_run

        return first_run.stamp_of(self.manifest, kept, tool=self.tool)

    def build(self, event_name: str, properties: Mapping[str, Any], *, client_id: str) -> event.Event:
        """An event of this host as it would wait in the spool."""
        return event.build(
            event_name,
            properties,
            client_id=client_id,
            context=context.build(self.tool, self.version, self.environ),
            now=time.time(),
        )

    def _record(self, name: str, properties: Mapping[str, Any]) -> None:
        where = self.where
        decision = self._decide(where)
        if not decision.allowed:
            self.say(f"{name} was not recorded: {decision.reason} ({decision.source})")
        elif environment.debug(self.environ):
            self._show(where, name, properties)
        else:
            content = event.encode(self.build(name, properties, client_id=_client_id(where))).encode()
            if len(content) <= event.MAX_BYTES:
                Spool(where.spool).append(content)
                self.start_sender(where)

    def _decide(self, where: Storage) -> Decision:
        """The decision; where only the notice was missing it is shown, and this run still records nothing."""
        if not os.path.lexists(where.stamp) and not environment.says_yes(self.environ):
            from cli_analytics import notice

            if not notice.can_show(self.stderr, self.environ):
                return Decision(False, consent.NOT_INFORMED, "nobody was told yet, and stderr is no terminal")
        current = self.current_stamp(where)
        decision = consent.decide(self.facts(where, current))
        if not current.is_kept or decision.source == consent.NOT_INFORMED:
            from cli_analytics import first_run

            first_run.keep(self, where, current, decision)
        return decision

    def start_sender(self, where: Storage) -> bool:
        """See to it that a sender is alive, if one is due. True if one is."""
        try:
            age = time.time() - os.stat(where.sender_lock).st_mtime
        except OSError:
            age = ALIVE_SECONDS
        if 0 <= age < ALIVE_SECONDS:
            return True  # a sender that ends takes the mark away first, and looks at the spool once more after that
        from cli_analytics import sender

        return sender.start_if_due(where, manifest=self.manifest, version=self.version, environ=self.environ)

    def _is_sending(self, where: Storage) -> bool:
        from cli_analytics import sender

        return sender.is_alive(where)

    def _show(self, where: Storage, name: str, properties: Mapping[str, Any]) -> None:
        """Under CLI_ANALYTICS_DEBUG: what would be sent, and what is wrong with it."""
        from cli_analytics import gate, identity, manifest

        declared = manifest.load(self.manifest)
        checked = gate.check(self.build(name, properties, client_id=identity.shown(where)), declared.events)
        for problem in checked.problems:
            self.say(problem)
        if checked.event is not None:
            self._print_line(event.encode(checked.event))

    def say(self, text: str) -> None:
        """One line under CLI_ANALYTICS_DEBUG, silence otherwise."""
        if environment.debug(self.environ):
            self._print_line(f"{self.tool} analytics: {text}")

    def _print_line(self, line: str) -> None:
        stderr = self.stderr
        try:
            if stderr is not None:
                stderr.write(f"{line}\n")
        except (OSError, ValueError):
            pass  # nobody reads it


def _absolute(path: str) -> str:
    """`path` as it is meant now, before the host changes its directory."""
    try:
        return os.path.abspath(path)
    except OSError:
        return path  # the directory is gone


def _client_id(where: Storage) -> str:
    """The client id, made now if there is none. Raises StorageError where it can't be read or kept."""
    kept = (storage.read(where.client_id) or b"").strip()
    if len(kept) == event.UUID_CHARACTERS and not kept.strip(b"-0123456789abcdef"):
        return kept.decode()
    from cli_analytics import identity

    return identity.known(where) or identity.create(where)
