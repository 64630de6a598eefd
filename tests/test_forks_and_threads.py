"""Hosts that fork and hosts with threads: every event is sent once, and no child waits for a lock that nobody holds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from crowd import STEPS
from recorder import Recorder, recorder
from support import MANIFEST, User, user_at
from watch import needs_proc

pytestmark = [needs_proc, pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")]

CHILDREN = 5
PARENT = 0  # the number of the process that forks; its children have the next ones

HOST = """
import multiprocessing, os, sys, threading, time
from cli_analytics import Analytics

analytics = Analytics("mytool", version="1.2.3", manifest=sys.argv[1])
how, when, children = sys.argv[2], sys.argv[3], int(sys.argv[4])

def record(host, number):
    analytics.record("step_taken", host=host, number=number)

def child(host):
    for number in range(3):
        record(host, number)
    began = time.monotonic()
    analytics.flush(timeout=0.1)
    if time.monotonic() - began > 5:
        print("flush blocked")

def start(host):
    if how != "os.fork":
        process = multiprocessing.get_context(how).Process(target=child, args=(host,))
        process.start()
        return process.join
    pid = os.fork()
    if not pid:
        child(host)
        os._exit(0)
    return lambda: os.waitpid(pid, 0)

def walk():
    for number in range(100):
        record(0, number)

def main():
    if when == "after":
        walk()
    thread = threading.Thread(target=walk)
    if when == "during":
        thread.start()
    waits = [start(host) for host in range(1, children + 1)]
    for wait in waits:
        wait()
    if when == "during":
        thread.join()
    if when == "before":
        walk()

if __name__ == "__main__":
    main()
"""

THREADS = """
import sys, threading, time
from cli_analytics import Analytics

analytics = Analytics("mytool", version="1.2.3", manifest=sys.argv[1])

def walk(host):
    for number in range(50):
        analytics.record("step_taken", host=host, number=number)
        time.sleep(0.02)  # a spool keeps a thousand: let the sender keep up

threads = [threading.Thread(target=walk, args=(host,)) for host in range(20)]
for act in (threading.Thread.start, threading.Thread.join):
    for thread in threads:
        act(thread)
"""

# One thread imports what recording takes, from a disk that is slow, while another forks.
FORK_IN_IMPORT = """
import importlib.machinery, os, sys, threading, time

class SlowDisk:
    def find_spec(self, name, path, target=None):
        if name != "cli_analytics.event" or threading.current_thread() is threading.main_thread():
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        load = spec.loader.exec_module

        def load_slowly(module):
            is_importing.set()
            time.sleep(float(sys.argv[2]))
            load(module)

        spec.loader.exec_module = load_slowly
        return spec

is_importing = threading.Event()
sys.meta_path.insert(0, SlowDisk())
from cli_analytics import Analytics

analytics = Analytics("mytool", version="1.2.3", manifest=sys.argv[1])
thread = threading.Thread(target=analytics.record, args=("step_taken",), kwargs={"host": 0, "number": 0})
thread.start()
is_importing.wait()
pid = os.fork()
if not pid:
    analytics.record("step_taken", host=1, number=0)
    os._exit(0)
ends = time.monotonic() + 5
while not (ended := os.waitpid(pid, os.WNOHANG)[0]) and time.monotonic() < ends:
    time.sleep(0.01)
print("the child", "ended" if ended else "hangs", flush=True)
if not ended:
    os.kill(pid, 9)
thread.join()
"""

FORK_IN_FLUSH = """
import os, sys, threading, time
from cli_analytics import Analytics

analytics = Analytics("mytool", version="1.2.3", manifest=sys.argv[1])
analytics.record("step_taken", host=0, number=0)
thread = threading.Thread(target=analytics.flush, args=(3,))
thread.start()
time.sleep(0.5)
pid = os.fork()
if not pid:
    analytics.record("step_taken", host=1, number=0)
    os._exit(0)
os.waitpid(pid, 0)
thread.join()
"""


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
        yield somebody


def run(user: User, script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a host; Python itself warns of forks beside threads."""
    user.host.write_text(script, encoding="utf-8")
    words = [str(user.manifest), *map(str, arguments)]
    return subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", str(user.host), *words],
        env=user.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
    )


def steps(server: Recorder, expected: int) -> Counter[tuple[int, int]]:
    """The steps that arrived, and how often each did, once there are so many."""
    events = {event["messageId"]: event for event in server.wait(expected)}
    assert len(events) == len(server.events), "nothing was sent twice"
    return Counter((event["properties"]["host"], event["properties"]["number"]) for event in events.values())


@pytest.mark.parametrize(
    ("how", "when"),
    [(how, when) for how in ("os.fork", "fork", "spawn", "forkserver") for when in ("before", "during", "after")],
)
def test_whoever_forks_before_while_or_after_it_records_sends_every_event_once(
    user: User, server: Recorder, how: str, when: str
) -> None:
    ended = run(user, HOST, how, when, CHILDREN)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    expected = {(PARENT, number) for number in range(100)}
    expected |= {(host, number) for host in range(1, CHILDREN + 1) for number in range(3)}
    assert steps(server, len(expected)) == Counter(expected)


def test_twenty_threads_send_every_event_once(user: User, server: Recorder) -> None:
    ended = run(user, THREADS)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert steps(server, 1000) == Counter((host, number) for host in range(20) for number in range(50))


def test_a_child_that_is_forked_while_a_thread_imports_us_records_too(user: User, server: Recorder) -> None:
    ended = run(user, FORK_IN_IMPORT, 0.5)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "the child ended\n", "")
    assert steps(server, 2) == Counter([(0, 0), (1, 0)])


def test_a_child_that_is_forked_while_that_takes_longer_than_a_fork_waits_records_nothing(
    user: User, server: Recorder
) -> None:
    ended = run(user, FORK_IN_IMPORT, 3)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "the child ended\n", "")
    assert steps(server, 1) == Counter([(0, 0)])


def test_a_child_that_is_forked_while_a_thread_flushes_records_too(user: User, server: Recorder) -> None:
    server.answering.clear()
    ended = run(user, FORK_IN_FLUSH)
    server.answering.set()
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert steps(server, 2) == Counter([(0, 0), (1, 0)])
