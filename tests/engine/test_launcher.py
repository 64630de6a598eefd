"""From a launcher to what it starts: one notice, one id, and the launcher's side sends."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import containers
import image
import pytest
from bridge import Bridged, bridged
from containers import run, watched_network
from launching import MANIFEST, NOTICE, Launching, launching
from watch import listing

pytestmark = [pytest.mark.slow, image.needs_engine]

LAUNCHES = 30
PAIRS = 10
TOOLS = {"Python": ("probe", ()), "shell": ("shprobe", ("--entrypoint", "shprobe"))}
KINDS = {
    "root": (),
    "an arbitrary user": ("--user", "12345:12345"),
    "a read-only file system": ("--read-only",),
    "all of that": ("--user", "12345:12345", "--read-only", "--init", "--env", "HOME=/nowhere"),
}
NO_NETWORK = ("--network", "none")
ANOTHER_EVENT = '\n[events.report_exported]\nwhy = "Which formats deserve work"\n'

Figure = Callable[[str, object], None]


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridged]:
    with bridged(tmp_path_factory.mktemp("bridge")) as running:
        yield running


@pytest.fixture
def somebody(tmp_path: Path, server: Bridged) -> Iterator[Launching]:
    with launching(tmp_path / "somebody", server) as one:
        yield one


def test_thirty_launches_have_one_notice_and_one_id(
    somebody: Launching, server: Bridged, record_property: Figure
) -> None:
    first = somebody.on_terminal(somebody.command("hello", options=NO_NETWORK))
    assert (first.status, first.shown.count(NOTICE)) == (0, 1)
    for _ in range(LAUNCHES):
        ended = somebody.deploy("hello", options=NO_NETWORK)
        assert (ended.status, ended.stdout, ended.stderr) == (0, b"hello\n", b"")
    again = somebody.on_terminal(somebody.command("hello", options=NO_NETWORK))
    assert again.shown == "hello\n"
    expected = 2 * (LAUNCHES + 1)
    events = server.wait(expected)
    record_property("figure", f"{len(events)} of {expected} events arrived from containers without a network")
    assert len({event["messageId"] for event in events}) == len(events) >= 0.99 * expected
    assert len({event["anonymousId"] for event in events}) == 1
    commands = [event["properties"]["command"] for event in events]
    assert commands.count("deploy") == commands.count("hello")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tool", TOOLS)
def test_what_a_container_records_is_sent_by_the_launchers_side(
    somebody: Launching, server: Bridged, tool: str, kind: str
) -> None:
    somebody.inform()
    ended = somebody.deploy("exit", "42", options=(*NO_NETWORK, *KINDS[kind], *TOOLS[tool][1]))
    assert ended.status == 42
    assert b"sends pseudonymous" not in ended.stderr
    events = server.wait(2)
    assert sorted(event["properties"]["command"] for event in events) == ["deploy", "exit"]
    assert len({event["anonymousId"] for event in events}) == 1
    assert [event["properties"]["exit_code"] for event in events] == [42, 42]


@pytest.mark.parametrize("tool", TOOLS)
def test_a_launcher_that_told_something_else_informs_nobody(tmp_path: Path, server: Bridged, tool: str) -> None:
    """What the launcher records itself was told; what the image would was not."""
    other = tmp_path / "analytics.toml"
    other.write_text(MANIFEST.read_text(encoding="utf-8") + ANOTHER_EVENT, encoding="utf-8")
    with launching(tmp_path / "other", server, other) as somebody:
        shown = somebody.on_terminal(somebody.command("exit", "1", options=TOOLS[tool][1]))
        assert shown.shown.count(NOTICE) == 1
        shown = somebody.on_terminal(somebody.command("exit", "1", options=TOOLS[tool][1]))
        assert "pseudonymous" not in shown.shown
        server.wait(1)
        somebody.end()
    assert [event["properties"]["command"] for event in server.events] == ["deploy"]


@containers.needs_namespaces
@pytest.mark.parametrize("tool", TOOLS)
def test_off_is_off_on_both_sides(somebody: Launching, server: Bridged, tool: str) -> None:
    somebody.inform()
    somebody.say_no()
    before = listing(somebody.home)
    with watched_network(image.probe(), *server.host) as network:
        somebody.inside = [word for word in somebody.inside if word not in server.host]
        ended = somebody.deploy("exit", "42", options=(*network.options, *TOOLS[tool][1]))
        assert (ended.status, ended.stdout) in ((42, b"out\n"), (42, b""))
        said = {"SEND_ANONYMOUS_USAGE_INFO": "false"}
        assert somebody.deploy("exit", "42", options=network.options, environ=said).status == 42
        assert network.end() == []
    assert server.recorder.requests == []
    assert listing(somebody.home) == before


def test_a_yes_by_variable_is_handed_over(somebody: Launching, server: Bridged) -> None:
    somebody.settle()
    yes = {"SEND_ANONYMOUS_USAGE_INFO": "true"}
    ended = somebody.deploy("exit", "42", options=NO_NETWORK, environ=yes)
    assert ended.lines[-1] == "err"
    assert len(ended.lines) <= 2  # where the launcher runs in a container, too, it says so there
    events = server.wait(2)
    assert sorted(event["properties"]["command"] for event in events) == ["deploy", "exit"]
    assert len({event["anonymousId"] for event in events}) == 1


def test_a_launcher_without_a_home_starts_the_container_and_is_off(somebody: Launching, server: Bridged) -> None:
    for home in ("", "/nowhere/at/all"):
        ended = somebody.deploy("exit", "42", environ={"HOME": home})
        assert (ended.status, ended.stdout, ended.stderr) == (42, b"out\n", b"err\n")
    assert server.recorder.requests == []


def test_what_a_launcher_costs(somebody: Launching, record_property: Figure) -> None:
    """In pairs, so that what else the machine does hits both."""
    somebody.inform()
    off = {"SEND_ANONYMOUS_USAGE_INFO": "false"}
    bare = {"PROBE_IS_BARE": "1"}
    seconds: dict[str, list[float]] = {kind: [] for kind in ("docker run", "off", "on")}
    for _ in range(PAIRS):
        options = ("--interactive", *NO_NETWORK, *somebody.inside)
        seconds["docker run"].append(run(image.probe(), "hello", options=options, environ=bare).seconds)
        for kind, environ in (("off", off), ("on", {})):
            words = (*NO_NETWORK, "--env", "PROBE_IS_BARE=1")
            began = time.perf_counter()
            assert somebody.deploy("hello", options=words, environ=environ).status == 0
            seconds[kind].append(time.perf_counter() - began)
        somebody.end()
    for kind in ("off", "on"):
        more = statistics.median(ours - plain for ours, plain in zip(seconds[kind], seconds["docker run"]))
        plain = statistics.median(seconds["docker run"])
        record_property("figure", f"launcher, {kind}: {more * 1000:+.0f} ms on {plain * 1000:.0f} ms")
        assert more < 1
