"""Testing: the pytest plugin for hosts. pytest loads it wherever cli-analytics is installed; nothing else imports it.

    pytest starts     SEND_ANONYMOUS_USAGE_INFO says off, to every process that the tests start
    a test records    nothing is kept or sent; what would have been recorded is in the test's outbox
    a test has run    what its manifest does not declare fails it

For the outbox it counts what a test or its host says, not what the maintainer's machine does: neither whether somebody
was told, nor CI, nor a DO_NOT_TRACK that was there before. An Analytics with record_in_tests records for real, besides.
Described in docs/testing.md; `pytest -p no:cli_analytics` goes without it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pytest

from cli_analytics import environment
from cli_analytics.client import Analytics

UNDECLARED_OK = "analytics_undeclared_ok"

# No yes, so it is an off; what the maintainer's own environment said comes after it.
_OFF = "off while pytest runs; before: "


class Recorded(NamedTuple):
    """One event as it would have left: what the gate let through, and all of it in `message`."""

    name: str
    properties: Mapping[str, Any]
    message: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(f'{key}={value!r}' for key, value in self.properties.items())})"


class Outbox(list[Recorded]):
    """The events that a test would have recorded, in order."""

    @property
    def names(self) -> list[str]:
        """Their names."""
        return [event.name for event in self]

    def of(self, name: str) -> list[Mapping[str, Any]]:
        """The properties of those called `name`."""
        return [event.properties for event in self if event.name == name]


class _Call(NamedTuple):
    """One call of `record`, as it was."""

    analytics: Analytics
    name: str
    properties: Mapping[str, Any]
    said: Mapping[str, str]  # variables
    said_no: bool
    place: str


class _Session:
    """One run of pytest, and of the test that runs: what it has recorded, and what of that no manifest declares."""

    def __init__(self) -> None:
        self.before: Mapping[str, str] = {}
        self.start_test()

    def start_test(self) -> None:
        """Nothing of the one before counts."""
        self.calls: list[_Call] = []
        self.outbox = Outbox()
        self.problems: list[str] = []
        self.is_outbox_used = False

    def begin(self, patches: pytest.MonkeyPatch) -> None:
        """Stand in for the methods of every Analytics, until the patches are undone."""
        record, flush, environ = Analytics.record, Analytics.flush, vars(Analytics)["environ"].fget

        def note(analytics: Analytics, event_name: str, /, **properties: Any) -> None:
            said, said_no = self._said(environ(analytics)), analytics.flag_off or analytics.host_setting is False
            self.calls.append(_Call(analytics, event_name, properties, said, said_no, _place()))
            if self.is_outbox_used:
                self.settle()
            if analytics.record_in_tests:
                record(analytics, event_name, **properties)

        def flush_nothing(analytics: Analytics, timeout: float = 0.5) -> bool:
            return not analytics.record_in_tests or flush(analytics, timeout)

        def see(analytics: Analytics) -> Mapping[str, str]:
            return (_without_ours if analytics.record_in_tests else self._without_the_machines)(environ(analytics))

        patches.setenv(environment.SEND, _OFF + os.environ.get(environment.SEND, "").removeprefix(_OFF))
        self.before = dict(os.environ)
        patches.setattr(Analytics, "record", note)
        patches.setattr(Analytics, "flush", flush_nothing)
        patches.setattr(Analytics, "environ", property(see))

    def settle(self) -> None:
        """Put what was recorded into the outbox, and what is wrong with it aside.

        Unless the test looks into the outbox this is done when it is over: a test may have put something else in the
        place of files, clocks and the like, and count how often it is used.
        """
        from cli_analytics.testing import rehearsal

        calls, self.calls = self.calls, []
        for call in calls:
            try:
                event, problems, opt_out_env = rehearsal.rehearse(call.analytics, call.name, call.properties)
                if event is not None and not (call.said_no or _says_no(call.said, opt_out_env)):
                    self.outbox.append(Recorded(call.name, event["properties"], event))
            except Exception as error:  # noqa: BLE001  the door
                problems = [f"{call.name} is lost: {error}"]
            self.problems += [f"{call.place}: {problem}" for problem in problems]

    def _said(self, given: Mapping[str, str]) -> Mapping[str, str]:
        """The variables that a test has set."""
        return {name: value for name, value in given.items() if self.before.get(name) != value}

    def _without_the_machines(self, given: Mapping[str, str]) -> Mapping[str, str]:
        """The variables without a no from before any test, so that a tree is attached to as on any other machine."""
        kept = given.keys() - {environment.SEND, environment.DO_NOT_TRACK} | self._said(given).keys()
        return {name: value for name, value in given.items() if name in kept}


_SESSION = pytest.StashKey[_Session]()


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Begin before a conftest imports the host."""
    _begin(early_config)


def pytest_configure(config: pytest.Config) -> None:
    """Begin where it was a conftest that asked for this plugin."""
    _begin(config)
    config.addinivalue_line("markers", f"{UNDECLARED_OK}: may record what the manifest does not declare.")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before any fixture records."""
    item.config.stash[_SESSION].start_test()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """After all fixtures have recorded: fail for what is undeclared."""
    session = item.config.stash[_SESSION]
    if session.calls:
        session.settle()
    if session.problems and item.get_closest_marker(UNDECLARED_OK) is None:
        each_once = dict.fromkeys(session.problems)
        pytest.fail("\n".join(["of what was recorded, this would not leave:", *each_once]), pytrace=False)


@pytest.fixture
def analytics_outbox(request: pytest.FixtureRequest) -> Outbox:
    """The events that this test would have recorded: a list, with `names` and `of(name)`."""
    session = request.config.stash[_SESSION]
    session.is_outbox_used = True
    session.settle()
    return session.outbox


@pytest.fixture
def analytics_opted_out_opens_nothing(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[str]]:
    """Check that a command does nothing through cli-analytics for a user who says no, however they say it.

    Called with the host's Analytics, the words that start the tool, and the command's arguments.
    """

    def check(analytics: Analytics, tool: Sequence[str], *arguments: str, **settings: Any) -> list[str]:
        from cli_analytics.testing import trial

        __tracebackhide__ = True
        home = str(tmp_path_factory.mktemp("opted-out"))
        return trial.opted_out_opens_nothing(home, analytics, tool, *arguments, **settings)

    return check


def _begin(config: pytest.Config) -> None:
    if _SESSION not in config.stash:
        session = config.stash[_SESSION] = _Session()
        patches = pytest.MonkeyPatch()
        config.add_cleanup(patches.undo)
        session.begin(patches)


def _without_ours(given: Mapping[str, str]) -> Mapping[str, str]:
    """The variables as they were before we said off."""
    said = given.get(environment.SEND, "")
    return {**given, environment.SEND: said.removeprefix(_OFF)} if said.startswith(_OFF) else given


def _says_no(said: Mapping[str, str], opt_out_env: Iterable[str]) -> bool:
    names = (environment.DO_NOT_TRACK, *opt_out_env)
    return environment.says_off(said) or any(environment.opts_out(said, name) for name in names)


def _place() -> str:
    """The line of the host's that recorded, or that of the test which ran its command."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(("cli_analytics.", "click.")):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
