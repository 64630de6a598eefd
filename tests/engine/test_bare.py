"""A bare `docker run`: nobody is at a terminal, so nobody was told, so nothing happens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import containers
import image
import pytest
from bridge import Bridged, bridged
from containers import YES, run, started, watched_network

pytestmark = [pytest.mark.slow, image.needs_engine]

WAYS: dict[str, tuple[str, ...]] = {
    "root": (),
    "an arbitrary user": ("--user", "12345:0"),
    "a read-only file system": ("--read-only",),
    "no home": ("--env", "HOME=/nowhere"),
    "--init": ("--init",),
    "no network": ("--network", "none"),
}
INIT = {"/usr", "/usr/sbin", "/usr/sbin/docker-init"}  # where --init is mounted
OFF = {
    "nobody was told": {},
    "the deployer says no": {"SEND_ANONYMOUS_USAGE_INFO": "false"},
    "the deployer's compose file says nothing": {"SEND_ANONYMOUS_USAGE_INFO": "", "DO_NOT_TRACK": ""},
    "DO_NOT_TRACK beside a yes": {**YES, "DO_NOT_TRACK": "1"},
    "a launcher says no beside a yes": {**YES, "CLI_ANALYTICS_HANDOVER": "1:off"},
    "a hand-over that nobody understands beside a yes": {**YES, "CLI_ANALYTICS_HANDOVER": "2:on"},
    "CI beside a yes": {**YES, "CI": "true"},
}


@pytest.fixture(scope="module")
def probe() -> str:
    return image.probe()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridged]:
    with bridged(tmp_path_factory.mktemp("bridge")) as running:
        yield running


@pytest.mark.parametrize("way", WAYS)
def test_a_container_in_which_nobody_was_told_is_as_one_without_us(probe: str, way: str) -> None:
    options = ("--network", "none", *WAYS[way]) if way != "no network" else WAYS[way]
    left = {}
    for environ in ({}, {"PROBE_IS_BARE": "1"}):
        given = [word for name, value in environ.items() for word in ("--env", f"{name}={value}")]
        with started(probe, "exit", "42", options=(*options, *given)) as container:
            status, logs = container.wait(), container.logs()
            left[len(environ)] = (status, logs.stdout, logs.stderr, container.left())
    assert left[0] == left[1]
    assert left[0][:3] == (42, "out\n", "err\n")
    assert set(left[0][3]) <= INIT


@containers.needs_namespaces
def test_no_packet_is_seen_in_the_network_of_a_container_that_is_off(probe: str, server: Bridged) -> None:
    with watched_network(probe, *server.host) as network:
        for environ in OFF.values():
            options = (*network.options, *server.mount)
            ended = run(probe, "hello", options=options, environ={**server.environ, **environ})
            assert (ended.status, ended.stdout, ended.stderr) == (0, b"hello\n", b"")
        assert network.end() == []
    assert server.recorder.requests == []


@containers.needs_namespaces
def test_the_same_watch_sees_what_a_yes_sends(probe: str, server: Bridged) -> None:
    """Without which the test above would prove nothing."""
    with watched_network(probe, *server.host) as network:
        options = (*network.options, *server.options[2:], "--entrypoint", "sh")
        ended = run(probe, "-c", "probe hello; sleep 3", options=options, environ={**server.environ, **YES})
        assert ended.status == 0
        assert [line for line in network.end() if line.startswith("tcp")]
    assert [event["context"]["container"] for event in server.events] == ["docker"]


@pytest.mark.parametrize("off", OFF)
def test_the_kernel_is_asked_for_no_socket(probe: str, off: str) -> None:
    traced = _traced(probe, "probe hello", OFF[off])
    assert (traced.status, traced.stdout) == (0, b"hello\n")
    assert traced.lines == []


def test_the_same_trace_sees_the_socket_of_a_yes(probe: str) -> None:
    traced = _traced(probe, "probe hello; sleep 2", {**YES, "CLI_ANALYTICS_ENDPOINT": "http://127.0.0.1:9"})
    assert [line for line in traced.lines if "connect(" in line]


def _traced(probe: str, script: str, environ: dict[str, str]) -> containers.Ended:
    """A script run under strace, which prints the system calls of networks."""
    trace = ("-f", "-qqq", "--signal=none", "-e", "trace=%network", "sh", "-c", script)
    ended = run(probe, *trace, options=("--network", "none", "--entrypoint", "strace"), environ=environ)
    if b"Operation not permitted" in ended.stderr:
        pytest.skip("strace may not trace in this engine's containers")
    return ended


def test_a_choice_on_a_volume_is_obeyed_beside_a_yes(probe: str, tmp_path: Path) -> None:
    choice = tmp_path / "probe" / "analytics" / "choice"
    choice.parent.mkdir(parents=True)
    choice.write_text("off 2026-01-02\n", encoding="ascii")
    options = ("--volume", f"{tmp_path}:/etc/xdg:ro", "--network", "none")
    with started(probe, "hello", options=(*options, "--env", "SEND_ANONYMOUS_USAGE_INFO=true")) as container:
        assert container.wait() == 0
        assert container.logs().stderr == ""
        assert set(container.left()) <= {"/etc", "/etc/xdg"}  # where it is mounted
