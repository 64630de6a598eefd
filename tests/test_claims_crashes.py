"""A sender that dies while it hands events out: for no sink is any lost or doubled, whoever is a sink after that."""

from __future__ import annotations

import errno
import itertools
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from queues import ONE, OTHERS, THREE, TWO, deliver, fill, fill_and_drop
from watch import PATIENCE_SECONDS, until

from cli_analytics import spool as spool_module
from cli_analytics.claims import Claims
from cli_analytics.spool import Spool

pytestmark = pytest.mark.slow  # it depends little on the Python it runs on

CALLS = ("link", "mkdir", "rename", "replace", "rmdir", "unlink", "write")  # whatever changes a file
KILLS = 40


class Killed(BaseException):
    """What no program can catch that it is done to."""


@contextmanager
def killed_before(step: int, *, without_links: bool = False) -> Iterator[None]:
    """Let the process end before the call number `step` that changes a file: none after that does anything."""
    numbers = itertools.count(1)

    def guarded(name: str, real: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            if next(numbers) >= step:
                raise Killed
            if without_links and name == "link":
                raise OSError(errno.EPERM, os.strerror(errno.EPERM))
            return real(*arguments, **options)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, guarded(name, getattr(os, name)))
        yield


class Past(NamedTuple):
    """The sinks that there were, those that there are when the sender dies, and those of the next one."""

    before: list[str]
    dying: list[str]
    after: list[str]


NEW = OTHERS
PASTS = {
    "one sink": Past(ONE, ONE, ONE),
    "two sinks": Past(TWO, TWO, TWO),
    "three sinks": Past(THREE, THREE, THREE),
    "in another order": Past(THREE, THREE, [THREE[1], THREE[2], THREE[0]]),
    "the first is no more": Past(TWO, TWO, TWO[1:]),
    "the last is no more": Past(TWO, TWO, TWO[:1]),
    "there is one more": Past(TWO, TWO, [NEW[0], *TWO]),
    "the first sinks of all": Past([], TWO, TWO),
    "another one in the place of one": Past(ONE, NEW[:1], NEW[:1]),
    "two in the place of one": Past(ONE, NEW, NEW),
    "two in the place of one, in another order": Past(ONE, NEW, NEW[::-1]),
    "one of them is no more": Past(ONE, NEW, NEW[1:]),
    "one in the place of two": Past(TWO, NEW[:1], NEW[:1]),
    "two beside one in the place of another": Past(TWO, [*ONE, *NEW], [*NEW, *ONE]),
    "another one again": Past(ONE, NEW[:1], NEW[1:]),
}


def spool_of(folder: Path, past: Past) -> tuple[Spool, list[bytes]]:
    """One of which two events wait for the sinks that there were, and two new ones; one was dropped before each two."""
    spool, waiting = Spool(str(folder)), []
    for _ in range(2):
        fill_and_drop(spool)
        waiting += fill(spool, 2)
        if past.before and not spool.held():
            Claims(spool, past.before).claim(past.before[0])
    return spool, waiting


def send_and_die(spool: Spool, past: Past, got: dict[str, list[bytes]], step: int, *, without_links: bool) -> bool:
    """Send to the sinks that there will be after this, and fail for the others. True where it died of it."""
    try:
        with killed_before(step, without_links=without_links):
            claims = Claims(spool, past.dying)
            claims.claim(past.dying[0])
            for sink in filter(got.__contains__, past.dying):
                while claims.wants(sink):
                    for name, content in claims.claim(sink):
                        claims.done(sink, name)
                        got[sink].append(content)
    except Killed:
        return True
    return False


@pytest.mark.parametrize("without_links", [False, True], ids=["links", "no links"])
@pytest.mark.parametrize("name", PASTS)
def test_killed_before_whichever_call_it_loses_and_doubles_nothing_for_any_sink(
    tmp_path: Path, name: str, without_links: bool
) -> None:
    past = PASTS[name]
    exact = [sink for sink in past.after if sink in past.dying or len(past.after) == len(past.dying)]
    for step in itertools.count(1):
        spool, expected = spool_of(tmp_path / str(step), past)
        got: dict[str, list[bytes]] = {sink: [] for sink in past.after}
        was_killed = send_and_die(spool, past, got, step, without_links=without_links)
        expected += fill(spool, 1)  # which tells of what was dropped
        claims = Claims(spool, past.after)
        claims.prepare()
        for sink in past.after:
            got[sink] += deliver(claims, sink)
        assert {sink: got[sink] for sink in exact} == dict.fromkeys(exact, expected), step
        assert all(len(set(found)) == len(found) and set(found) <= set(expected) for found in got.values()), step
        assert {sink: claims.dropped(sink) for sink in exact} == dict.fromkeys(exact, 2), step
        assert spool.is_empty(), step
        if not was_killed:
            break
    assert step > 5


SENDER = """
import os, sys
from cli_analytics.claims import Claims
from cli_analytics.spool import Spool

folder, outbox, *sinks = sys.argv[1:]
spool = Spool(folder)
claims = Claims(spool, sinks)
claims.prepare()
while True:
    for sink in sinks:
        if not claims.wants(sink):
            continue
        for name, _ in claims.claim(sink):
            target = os.path.join(outbox, sink, name)
            if os.path.exists(target):
                print(sink, name, flush=True)
                claims.done(sink, name)
            else:
                os.rename(os.path.join(folder, "claimed", sink, name), target)  # delivered and done, in one step
"""


def test_killed_at_random_moments_again_and_again_it_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """In whatever order the manifest has the sinks."""
    dice, spool, outbox = random.Random(5), Spool(str(tmp_path / "spool")), tmp_path / "outbox"
    for sink in THREE:
        (outbox / sink).mkdir(parents=True)
    expected: list[bytes] = []
    interrupted = 0
    environ = {**os.environ, "PYTHONPATH": str(Path(spool_module.__file__).parents[1])}
    with (tmp_path / "doubled").open("w+") as doubled:
        for number in range(KILLS + 1):
            expected += fill(spool, 100)
            fill_and_drop(spool)
            command = [sys.executable, "-S", "-c", SENDER, spool.folder, str(outbox), *dice.sample(THREE, 3)]
            sender = subprocess.Popen(command, env=environ, stdout=doubled)
            try:
                if number == KILLS:
                    until(spool.is_empty)
                else:
                    wait_until_something_is_taken(spool)
                    time.sleep(dice.uniform(0, 0.02))
                assert sender.poll() is None
            finally:
                sender.kill()
                sender.wait()
            interrupted += not spool.is_empty()
        doubled.seek(0)
        assert doubled.read() == ""
    assert interrupted > KILLS / 10
    for sink in THREE:
        found = [path.read_bytes() for path in sorted((outbox / sink).iterdir())]
        arrived = set(found)
        assert found == [content for content in expected if content in arrived]
        # On a busy machine a sender gets little done before it is killed, and what waits for a sink has its bounds.
        assert Claims(spool, THREE).dropped(sink) == KILLS + 1 + len(expected) - len(found)


def wait_until_something_is_taken(spool: Spool) -> None:
    """Without a pause between two looks, for the whole takes some milliseconds."""
    waiting, ends = len(spool.waiting()), time.monotonic() + PATIENCE_SECONDS
    while len(spool.waiting()) == waiting:
        assert time.monotonic() < ends


def test_where_a_file_system_has_no_links_each_sink_has_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", link)
    spool = Spool(str(tmp_path / "spool"))
    expected = fill(spool, 3)
    fill_and_drop(spool)
    claims = Claims(spool, THREE)
    claims.claim(THREE[0])
    files = [path for path in Path(spool.path("claimed")).rglob("*") if path.is_file()]
    assert [(path.stat().st_nlink, oct(path.stat().st_mode & 0o777)) for path in files] == [(1, "0o600")] * 12
    expected += fill(spool, 2)
    assert [deliver(claims, sink) for sink in THREE] == [expected] * 3
    assert [claims.dropped(sink) for sink in THREE] == [1] * 3
    assert spool.is_empty()
