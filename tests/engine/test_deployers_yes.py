"""A deployer's SEND_ANONYMOUS_USAGE_INFO=true: one line a container start, and the events arrive."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import image
import pytest
from bridge import Bridged, bridged
from containers import YES, Ended, run, started

pytestmark = [pytest.mark.slow, pytest.mark.alone, image.needs_engine]  # for they have 500 ms to send

LAUNCHES = 30
AT_ONCE = 8
PAIRS = 6
LINE = (
    "probe sends pseudonymous usage data to The cli-analytics project, because SEND_ANONYMOUS_USAGE_INFO says yes."
    " About it: https://example.org/probe/analytics"
)
ARBITRARY_USER = ("--user", "12345:0")
WAYS = {
    "root": (),
    "--init": ("--init",),
    "an empty home": ("--env", "HOME="),
    "an arbitrary user": ARBITRARY_USER,
    "a read-only file system": ("--read-only",),
    "a home that is not there": ("--env", "HOME=/nowhere"),
    "all of that": (*ARBITRARY_USER, "--read-only", "--init", "--env", "HOME=/nowhere"),
}
KILL = "kill -9 $(grep -ls 'cli_analytics.[d]rain' /proc/[0-9]*/cmdline | cut -d/ -f3) 2>/dev/null"
KILL_SENDERS = f"for look in 1 2 3 4 5 6 7 8 9; do {KILL} && break; sleep 0.1; done"
ALIVE_SECONDS = 2.1  # a sender that was killed with its container seems alive for that long to the next one
REAPED_SECONDS = 5.1  # sender.py waits that long before it believes that nobody waits for those that have ended

Figure = Callable[[str, object], None]


@pytest.fixture(scope="module")
def probe() -> str:
    return image.probe()


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridged]:
    with bridged(tmp_path_factory.mktemp("bridge")) as running:
        yield running


def test_of_thirty_launches_all_events_arrive_though_the_first_process_ends_at_once(
    probe: str, server: Bridged, record_property: Figure
) -> None:
    ended = [_launch(probe, server) for _ in range(LAUNCHES)]
    assert all(one.status == 0 and one.stdout == b"hello\n" and one.lines == [LINE] for one in ended)
    events = server.wait(LAUNCHES, seconds=1)
    record_property("figure", f"{len(events)} of {LAUNCHES} events arrived")
    assert len(events) >= 0.99 * LAUNCHES
    assert len({event["anonymousId"] for event in events}) == len({event["messageId"] for event in events})


@pytest.mark.parametrize("way", WAYS)
def test_an_event_arrives_from(probe: str, server: Bridged, way: str) -> None:
    ended = _launch(probe, server, *WAYS[way])
    assert (ended.status, ended.stdout, ended.lines) == (0, b"hello\n", [LINE])
    assert len(server.wait(1, seconds=1)) == 1


@pytest.mark.parametrize("way", ["root", "all of that"])
def test_an_event_arrives_from_a_shell_in(probe: str, server: Bridged, way: str) -> None:
    options = (*server.options, *WAYS[way], "--entrypoint", "shprobe")
    ended = run(probe, "exit", "42", options=options, environ={**server.environ, **YES})
    assert (ended.status, ended.lines) == (42, [LINE])
    [event] = server.wait(1, seconds=1)
    assert event["context"]["ephemeral"] is True


def test_a_pod_says_that_it_is_one(probe: str, server: Bridged) -> None:
    assert _launch(probe, server, "--env", "KUBERNETES_SERVICE_HOST=10.0.0.1").lines == [LINE]
    [event] = server.wait(1, seconds=1)
    assert event["context"]["container"] == "kubernetes"


@pytest.mark.parametrize("way", WAYS)
def test_one_line_a_start_says_so_to(probe: str, way: str) -> None:
    ended = run(probe, "exit", "42", options=("--network", "none", *WAYS[way]), environ=YES)
    assert (ended.status, ended.stdout) == (42, b"out\n")
    assert ended.lines == ["err", LINE]


def test_a_second_run_in_the_same_start_says_nothing(probe: str, server: Bridged) -> None:
    with _long_lived(probe, server) as container:
        said = [container.execute("probe", "hello").stderr for _ in range(3)]
        assert said == [f"{LINE}\n", "", ""]
        events = server.wait(3)
    assert len({event["anonymousId"] for event in events}) == 1
    assert len(events) == 3


def test_a_container_that_is_started_again_says_so_again(probe: str) -> None:
    with started(probe, "hello", options=("--env", "SEND_ANONYMOUS_USAGE_INFO=true", "--network", "none")) as container:
        container.wait()
        image.docker("start", container.id)
        container.wait()
        assert container.logs().stderr == f"{LINE}\n{LINE}\n"


def test_what_is_kept_for_a_start_is_not_in_the_files_of_the_container(probe: str) -> None:
    with started(probe, "hello", options=("--env", "SEND_ANONYMOUS_USAGE_INFO=true", "--network", "none")) as container:
        assert container.wait() == 0
        assert container.left() == []


def test_an_id_that_was_born_in_the_container_is_marked_ephemeral(probe: str, server: Bridged) -> None:
    with _long_lived(probe, server) as container:
        container.execute("probe", "hello")
        [event] = server.wait(1)
        assert event["context"]["ephemeral"] is True


def test_an_id_that_lies_on_a_volume_is_that_of_an_installation(probe: str, server: Bridged) -> None:
    volume = image.docker("volume", "create", "--label", f"{image.LABEL}=volume").stdout.strip()
    try:
        for _ in range(2):
            with _long_lived(probe, server, "--volume", f"{volume}:/root") as container:
                before = len(server.events)
                assert container.execute("probe", "hello").returncode == 0
                server.wait(before + 1)
            time.sleep(ALIVE_SECONDS)
    finally:
        image.docker("volume", "rm", "--force", volume)
    events = server.events
    assert len(events) == 2
    assert len({event["anonymousId"] for event in events}) == 1


def test_launches_that_share_a_volume_follow_each_other_at_once(probe: str, server: Bridged) -> None:
    """The sender of the one before was killed with its container, and must not be taken for alive."""
    volume = image.docker("volume", "create", "--label", f"{image.LABEL}=volume").stdout.strip()
    try:
        for _ in range(3):
            assert _launch(probe, server, "--volume", f"{volume}:/root").status == 0
    finally:
        image.docker("volume", "rm", "--force", volume)
    events = server.wait(3, seconds=1)
    assert len({event["messageId"] for event in events}) == 3
    assert len({event["anonymousId"] for event in events}) == 1


def test_without_a_network_a_run_ends_soon_and_as_it_would(probe: str, record_property: Figure) -> None:
    options = ("--network", "none")
    with_us = [run(probe, "exit", "42", options=options, environ=YES) for _ in range(4)]
    bare = [run(probe, "exit", "42", options=options, environ={"PROBE_IS_BARE": "1"}) for _ in range(4)]
    assert {one.status for one in with_us} == {42}
    later = min(one.seconds for one in with_us) - min(one.seconds for one in bare)
    record_property("figure", f"{later * 1000:.0f} ms later than bare, without a network")
    assert later < 0.5 + 0.3


def test_many_containers_at_once_end_as_they_would(probe: str, server: Bridged, record_property: Figure) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ended = list(pool.map(lambda _: _launch(probe, server), range(AT_ONCE)))
    assert [(one.status, one.stdout, one.lines) for one in ended] == [(0, b"hello\n", [LINE])] * AT_ONCE
    events = server.wait(AT_ONCE, seconds=1)
    record_property("figure", f"{len(events)} of {AT_ONCE} events arrived of as many containers at once")
    assert len({event["anonymousId"] for event in events}) == len(events)


def test_what_it_costs(probe: str, server: Bridged, record_property: Figure) -> None:
    """In pairs, so that what else the machine does hits both."""
    kinds: dict[str, dict[str, Any]] = {"bare": {"PROBE_IS_BARE": "1"}, "off": {}, "on": {**server.environ, **YES}}
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(PAIRS):
        for kind, environ in kinds.items():
            seconds[kind].append(run(probe, "hello", options=server.options, environ=environ).seconds)
    for kind in ("off", "on"):
        more = statistics.median(ours - bare for ours, bare in zip(seconds[kind], seconds["bare"]))
        record_property(
            "figure", f"{kind}: {more * 1000:+.0f} ms on {statistics.median(seconds['bare']) * 1000:.0f} ms"
        )
        assert more < 1


@pytest.mark.parametrize("init", [(), ("--init",)], ids=["none", "--init"])
def test_senders_do_not_pile_up_as_zombies(probe: str, server: Bridged, init: tuple[str, ...]) -> None:
    """The first process here waits for no child of others, as most tools do not; with --init there is one that does."""
    with _long_lived(probe, server, *init) as container:
        for pause in (ALIVE_SECONDS, REAPED_SECONDS, ALIVE_SECONDS) if not init else (ALIVE_SECONDS, 0.5):
            container.execute("probe", "hello")
            container.execute("sh", "-c", KILL_SENDERS)
            time.sleep(pause)
        assert container.zombies() == (0 if init else 2)


def _long_lived(probe: str, server: Bridged, *options: str) -> Any:
    """A container whose first process does nothing, with a deployer's yes."""
    environ = [word for name, value in {**server.environ, **YES}.items() for word in ("--env", f"{name}={value}")]
    return started(probe, "300", options=(*server.options, *environ, "--entrypoint", "sleep", *options))


def _launch(probe: str, server: Bridged, *options: str) -> Ended:
    return run(probe, "hello", options=(*server.options, *options), environ={**server.environ, **YES})
