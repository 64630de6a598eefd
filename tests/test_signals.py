"""Signals at random moments of a host and of its sender: the same end as without us, whole files, nothing doubled."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import breakers
import pytest
from crowd import STEPS
from recorder import Recorder, recorder
from senders import let_pauses_pass
from support import MANIFEST, User, user_at
from watch import needs_proc, until

from cli_analytics import consent, identity, log
from cli_analytics.drafts import OLD_SECONDS

pytestmark = needs_proc

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGKILL)
TIMES = 10  # for each signal

HOST = """
import sys, time
import click
from cli_analytics import Analytics

analytics = Analytics("mytool", version="1.2.3", manifest=sys.argv[1])
number_of_host = int(sys.argv[2])

@click.command()
def cli():
    click.echo("ready")
    for number in range(100):
        if number_of_host >= 0:
            analytics.record("step_taken", host=number_of_host, number=number)
        time.sleep(0.002)
    click.echo("done")

if number_of_host >= 0:
    analytics.attach(cli)
cli([], prog_name="mytool")
"""
BARE = -1  # the number of a host that does not use us


class Ended(NamedTuple):
    stdout: str
    stderr: str
    status: int


@pytest.fixture
def server() -> Iterator[Recorder]:
    with recorder() as running:
        yield running


@pytest.fixture
def user(tmp_path: Path, server: Recorder) -> Iterator[User]:
    """Somebody who was told, and has recorded nothing yet."""
    with user_at(tmp_path, server.url) as somebody:
        somebody.manifest.write_text(MANIFEST + STEPS, encoding="utf-8")
        somebody.inform()
        somebody.host.write_text(HOST, encoding="utf-8")
        yield somebody


def interrupted(user: User, host: int, number: int, seconds: float) -> Ended:
    """How a host ends that gets a signal that long after it began to work."""
    with user.start(str(user.manifest), str(host), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(seconds)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
    return Ended(first + stdout, stderr, process.returncode)


def signal_sender(user: User, number: int) -> None:
    for alive in user.senders():
        try:
            os.kill(alive, number)
        except ProcessLookupError:
            pass  # it has just ended


def assert_whole(user: User) -> None:
    """Every file can be read."""
    known = consent.read_stamp(user.where)
    assert known is not None
    assert known.informed
    assert identity.known(user.where)
    assert breakers.only(user.where).failures >= 0
    if os.path.exists(user.where.log):
        assert len(log.read(user.where)) == len(Path(user.where.log).read_bytes().splitlines())
    for path in user.kept():
        try:
            assert json.loads(path.read_bytes())["messageId"]
        except FileNotFoundError:
            pass  # sent meanwhile


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_at_any_moment_ends_the_host_as_without_us_and_leaves_whole_files(
    user: User, server: Recorder, number: signal.Signals
) -> None:
    chance = random.Random(number)
    bare = interrupted(user, BARE, number, 0.05)
    for host in range(TIMES):
        assert interrupted(user, host, number, chance.uniform(0, 0.15)) == bare
        time.sleep(chance.uniform(0, 0.2))
        signal_sender(user, chance.choice(SIGNALS))
        assert_whole(user)
        let_pauses_pass(user)
    until(lambda: not user.senders())
    let_pauses_pass(user)
    last = user.run(str(user.manifest), str(TIMES))
    assert (last.returncode, last.stdout, last.stderr) == (0, "ready\ndone\n", "")
    until(lambda: not user.kept())
    steps = {event["messageId"]: tuple(event["properties"].values()) for event in server.events}
    taken = [step for step in steps.values() if len(step) == 2]
    assert len(set(taken)) == len(taken), "no step has two events"
    assert {(TIMES, step) for step in range(100)} <= set(taken)


def test_a_draft_that_a_killed_host_left_is_removed_when_it_is_old(user: User, server: Recorder) -> None:
    user.run(str(user.manifest), "1")
    draft = Path(user.where.spool, "tmp", "1767323045678-abcdefabcdef-400.json")
    draft.write_bytes(b'{"half": ')
    os.utime(draft, (time.time() - OLD_SECONDS - 60,) * 2)
    user.run(str(user.manifest), "2")
    until(lambda: not draft.exists())


def test_a_draft_that_a_killed_sender_left_is_removed_when_it_is_old(user: User, server: Recorder) -> None:
    drafts = [Path(f"{path}.12345.abcdef01") for path in (user.where.breaker, user.where.log, user.where.stamp)]
    for draft in drafts:
        draft.write_bytes(b"half")
        os.utime(draft, (time.time() - OLD_SECONDS - 60,) * 2)
    user.run(str(user.manifest), "1")
    until(lambda: server.requests and not user.kept())
    assert not [draft for draft in drafts if draft.exists()]
