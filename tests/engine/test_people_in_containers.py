"""A person at the terminal of a development container is told like on any machine, and their word counts."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Iterator

import image
import pytest
from bridge import Bridged, bridged
from containers import Container, on_terminal, run, started
from support import read_terminal

pytestmark = [pytest.mark.slow, image.needs_engine]

NOTICE = "Nothing was recorded"


@pytest.fixture(scope="module")
def probe() -> str:
    return image.probe()


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridged]:
    with bridged(tmp_path_factory.mktemp("bridge")) as running:
        yield running


@pytest.fixture
def development(probe: str, server: Bridged) -> Iterator[Container]:
    """A container that somebody works in for days."""
    environ = [word for name, value in server.environ.items() for word in ("--env", f"{name}={value}")]
    with started(probe, "300", options=("--init", *server.options, *environ, "--entrypoint", "sleep")) as container:
        yield container


def test_they_see_the_notice_once_and_are_recorded_after_it(development: Container, server: Bridged) -> None:
    shown = [_at_terminal(development, "probe", "hello") for _ in range(3)]
    assert [NOTICE in text for text in shown] == [True, False, False]
    assert "says yes" not in "".join(shown)
    events = server.wait(2)
    assert len(events) == 2
    assert len({event["anonymousId"] for event in events}) == 1
    assert {event["context"]["container"] for event in events} == {"docker"}
    assert not any(event["context"].get("ephemeral") for event in events)


def test_they_say_no_and_nothing_is_sent_from_there_any_more(development: Container, server: Bridged) -> None:
    _at_terminal(development, "probe", "hello")
    assert development.execute("probe", "analytics", "off").returncode == 0
    ended = development.execute("probe", "hello", environ={"SEND_ANONYMOUS_USAGE_INFO": "true"})
    assert (ended.stdout, ended.stderr) == ("hello\n", "")
    found = development.execute("find", "/root", "/dev/shm", "-name", "client-id", "-o", "-name", "*.json")
    assert found.stdout == ""
    assert server.recorder.requests == []


def test_a_container_that_is_only_started_shows_the_notice_and_records_nothing(probe: str, server: Bridged) -> None:
    shown = on_terminal(probe, "hello", options=server.options, environ=server.environ)
    assert shown.status == 0
    assert NOTICE in shown.shown
    assert server.recorder.requests == []


def test_a_terminal_of_continuous_integration_is_nobodys(probe: str, server: Bridged) -> None:
    shown = on_terminal(probe, "hello", options=server.options, environ={**server.environ, "CI": "true"})
    assert (shown.status, shown.shown) == (0, "hello\n")


def test_the_example_says_why_it_is_off(server: Bridged) -> None:
    ended = run(image.jotter(), "analytics", "status", options=server.options, environ=server.environ)
    assert ended.status == 0
    assert "not been told" in ended.stdout.decode()
    assert json.dumps(server.events) == "[]"


def _at_terminal(container: Container, *command: str) -> str:
    """What somebody sees who types a command at a terminal of the container."""
    ours, theirs = pty.openpty()
    words = ["docker", "exec", "--interactive", "--tty", container.id, *command]
    with subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True) as process:
        os.close(theirs)
        shown = read_terminal(ours)
    assert process.returncode == 0
    return shown
