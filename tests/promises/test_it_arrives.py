"""Promise 7, it arrives: a crowd of hosts, real senders, a real collector, and a count of every event."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from crowd import marathon, walk, walker, walker_and_archive
from senders import Init, Killer, Watcher, kill_senders, let_pauses_pass
from watch import needs_proc, until

from cli_analytics.spool import MAX_BYTES, MAX_EVENTS

Figures = Callable[[str, object], None]

pytestmark = needs_proc
needs_collector = pytest.mark.skipif(
    importlib.util.find_spec("uvicorn") is None,
    reason="needs the extra `collector`, which is for Python 3.10 and later",
)

HOSTS, STEPS, KILLS = 200, 10, 50
LAST = 9999  # the host that runs after all
SECONDS = 25  # in which each host takes its steps
MANY = 100_000
RUNS, FEWER_RUNS, PATIENCE_SECONDS = 1000, 100, 15


@pytest.mark.slow
@pytest.mark.alone
@needs_collector
def test_two_hundred_hosts_at_once_lose_and_double_nothing_while_fifty_senders_are_killed(
    tmp_path: Path, record_property: Figures
) -> None:
    with walker_and_archive(tmp_path) as (user, archive):
        killer = Killer(user, seed=3)
        hosts = [walk(user, host, STEPS, SECONDS) for host in range(HOSTS)]
        while any(host.poll() is None for host in hosts) and killer.killed < KILLS:
            killer.kill()
        assert [host.wait(60) for host in hosts] == [0] * HOSTS
        expected = {(host, number) for host in range(HOSTS) for number in range(STEPS)}
        while killer.killed < KILLS:  # the machine is slow: the crowd was gone before
            expected.add((HOSTS + killer.killed, 0))
            walk(user, HOSTS + killer.killed).wait(60)
            killer.kill()
        let_pauses_pass(user)
        walk(user, LAST).wait(60)
        until(lambda: archive.steps().keys() > expected, must=False)
        steps = archive.steps()
        lost = expected - steps.keys()
        doubled = [step for step, times in steps.items() if times > 1]
        assert (lost, doubled, killer.most) == (set(), [], 1)
        figure = f"{HOSTS} processes × {STEPS} events, {killer.killed} senders killed: {len(lost)} lost, "
        record_property("figure", f"{figure}{len(doubled)} doubled ({archive.repeated()} sent again and archived once)")


@pytest.mark.slow
@pytest.mark.alone
@needs_collector
def test_of_a_thousand_short_runs_in_a_row_all_events_arrive_by_one_sender_at_a_time(
    tmp_path: Path, record_property: Figures
) -> None:
    with (
        walker_and_archive(tmp_path) as (user, archive),
        Watcher(user) as watcher,
        Init(user, "all", *walker(user)) as init,
    ):
        began = time.monotonic()
        init.run(0, RUNS)
        each = (time.monotonic() - began) / RUNS * 1000
        until(lambda: len(archive.steps()) == RUNS, PATIENCE_SECONDS, must=False)
        arrived = len(archive.steps()) / RUNS
        assert init.is_alone(), "neither sender nor zombie is left"
    assert arrived >= 0.99
    assert watcher.most == 1
    figure = f"{RUNS} runs of {each:.0f} ms in a row: {arrived:.1%} delivered within {PATIENCE_SECONDS} s by "
    record_property("figure", f"{figure}{len(watcher.seen)} senders, at most {watcher.most} alive, 0 zombies")


@pytest.mark.slow
@pytest.mark.alone
@needs_collector
def test_where_the_first_process_does_not_wait_for_orphans_there_are_two_zombies_and_then_one_a_day(
    tmp_path: Path, record_property: Figures
) -> None:
    with (
        walker_and_archive(tmp_path) as (user, archive),
        Watcher(user) as watcher,
        Init(user, "its own", *walker(user)) as init,
    ):
        init.run(0, FEWER_RUNS)
        until(lambda: len(archive.steps()) == FEWER_RUNS, PATIENCE_SECONDS, must=False)
        arrived = len(archive.steps()) / FEWER_RUNS
        until(lambda: not user.senders())
        zombies = [len(init.zombies())]
        for later in range(FEWER_RUNS, FEWER_RUNS + 5):
            let_pauses_pass(user, seconds=10)
            init.run(later, later + 1)
            kill_senders(user)
        zombies.append(len(init.zombies()))
        let_pauses_pass(user, seconds=2 * 24 * 3600)
        init.run(LAST, LAST + 1)
        until(lambda: len(archive.steps()) == FEWER_RUNS + 5 + 1)
    assert (arrived, watcher.most) == (1, 1)
    assert zombies[0] <= zombies[1] == 2
    figure = f"{FEWER_RUNS} runs in a row where the first process does not reap: {arrived:.1%} delivered, "
    record_property("figure", f"{figure}zombies: {zombies[0]}, and {zombies[1]} after five more senders were due")


@pytest.mark.slow
@needs_collector
def test_a_hundred_thousand_events_for_a_dead_endpoint_are_bounded_and_counted(
    tmp_path: Path, record_property: Figures
) -> None:
    with walker_and_archive(tmp_path) as (user, archive):
        began = time.monotonic()
        (early, late), seen = marathon(user, MANY)
        each = (time.monotonic() - began) / MANY * 1000
        let_pauses_pass(user)
        walk(user, LAST).wait(60)
        until(lambda: (LAST, 0) in archive.steps())
        until(lambda: not user.senders())
        delivered, dropped = len(archive.steps()), archive.dropped()
    most, largest = max(waiting.events for waiting in seen), max(waiting.size for waiting in seen)
    assert delivered + dropped == MANY + 1
    assert most <= MAX_EVENTS
    assert largest <= MAX_BYTES
    assert late.resident < 1.05 * early.resident
    assert (late.descriptors, late.threads) == (early.descriptors, 1)
    record_property(
        "figure",
        f"{MANY} events of {each:.2f} ms for a dead endpoint: {most} and {largest / 2**20:.2f} MiB in the spool "
        f"at most; {early.resident / 2**20:.1f} MiB resident after a tenth, {late.resident / 2**20:.1f} after all; "
        f"{delivered} delivered + {dropped} reported as dropped = all + 1",
    )
