"""No test reaches further than this machine: any other connection or look-up fails the test that made it.

What a test measures is printed at the end of the run.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from cli_analytics import containers

_LOOPBACK = ("127.", "localhost", "::1")
_escapes: list[str] = []


def _guard(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    name = host.decode() if isinstance(host, bytes) else str(host or "localhost")
    if not name.startswith(_LOOPBACK):
        _escapes.append(f"{event} {name}")
        raise PermissionError(f"a test tried to reach {name}")


sys.addaudithook(_guard)

# Tests may run in a container, too, and want their files where they look for them: as on a volume.
containers.DISK = "/proc"
containers.MEMORY = "/nonexistent"


@pytest.fixture(autouse=True)
def _stays_on_loopback() -> Iterator[None]:
    _escapes.clear()
    yield
    assert not _escapes, f"tests stay on this machine: {_escapes}"


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's real home is read or written, and what is sent goes to a closed port."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("CLI_ANALYTICS_ENDPOINT", "http://127.0.0.1:9")
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CONFIG_DIRS", "SEND_ANONYMOUS_USAGE_INFO", "DO_NOT_TRACK"):
        monkeypatch.delenv(name, raising=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first, so that in the end no process waits for one test of minutes."""
    items.sort(key=lambda item: (item.get_closest_marker("slow") is None, "promises" not in item.path.parts))


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the tests have measured: whatever they gave to `record_property("figure", …)`."""
    reports = [report for found in terminalreporter.stats.values() for report in found if hasattr(report, "nodeid")]
    figures = {
        f"{report.nodeid.split('::')[-1]}: {text}": None
        for report in reports
        for name, text in getattr(report, "user_properties", ())
        if name == "figure"
    }
    if figures:
        terminalreporter.section("figures")
        terminalreporter.write_line("\n".join(figures))
