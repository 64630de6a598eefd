"""Events from the last moments of a process: it says nothing, does not hang, and what can still be kept is kept."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from crowd import STEPS
from support import MANIFEST, User, user_at
from watch import needs_proc, until

from cli_analytics.spool import Spool

pytestmark = needs_proc

HOST = """
import sys
from cli_analytics import Analytics

analytics = Analytics("mytool", version="1.2.3", manifest=sys.argv[1])

def record(number=0):
    analytics.record("step_taken", host=1, number=number)

class Last:
    def __init__(self):
        self.analytics = analytics

    def __del__(self):
        self.analytics.record("step_taken", host=1, number=0)
        self.analytics.feature("x")
        self.analytics.flush(0.05)

"""


class Ending(NamedTuple):
    """What a host does at its end, and how many events it leaves at least and at most."""

    script: str
    least: int = 0
    most: int = 1


ENDINGS = {
    "atexit": Ending("import atexit; atexit.register(record)", 1),
    "a flush in atexit": Ending("import atexit; record(); atexit.register(analytics.flush, 0.05)", 1),
    "os._exit": Ending("import os; record(); os._exit(0)", 1),
    "a global's __del__": Ending("last = Last()"),
    "a cycle's __del__": Ending("last = Last(); last.me = last; import gc; gc.disable()"),
    "__del__ of what we hold": Ending("analytics.last = Last()"),
    "__del__ of what builtins hold": Ending("import builtins; builtins.last = Last()"),
    "__del__ of what a module holds": Ending("sys.modules['last'] = Last()"),
    "__del__ of what a thread holds": Ending("import threading; local = threading.local(); local.last = Last()"),
    "__del__ after a first event": Ending("record(); last = Last()", 1, 2),
    "a thread that goes on": Ending(
        "import threading, time; threading.Thread(target=lambda: (time.sleep(0.2), record())).start()", 1
    ),
    "a daemon thread that records": Ending(
        """
import threading, time
def walk():
    number = 0
    while True:
        record(number)
        number += 1
threading.Thread(target=walk, daemon=True).start()
time.sleep(0.1)
last = Last()
""",
        1,
        1000,
    ),
    "__del__ beside a daemon thread that records": Ending(
        """
import threading, time
def walk():
    while True:
        record()
threading.Thread(target=walk, daemon=True).start()
time.sleep(0.1)
sys.modules["last"] = Last()
""",
        1,
        1000,
    ),
    "asyncio.run": Ending(
        """
import asyncio
async def numbers():
    try:
        yield 1
    finally:
        record(1)
async def work():
    try:
        await asyncio.sleep(60)
    finally:
        record(2)
async def main():
    asyncio.get_running_loop().slow_callback_duration = 60  # debugging, it tells of what a busy machine makes slow
    opened = numbers()
    await opened.__anext__()
    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    return opened, task
kept = asyncio.run(main())
""",
        2,
        2,
    ),
    "a signal handler": Ending(
        """
import os, signal, threading, time
caught = []
def handler(*_):
    record(1000 + len(caught))
    caught.append(1)
signal.signal(signal.SIGUSR1, handler)
main = threading.main_thread().ident
timers = [threading.Timer(0.004 * each, signal.pthread_kill, (main, signal.SIGUSR1)) for each in range(30)]
for timer in timers:
    timer.start()
for number in range(70):
    record(number)
for timer in timers:
    timer.join()
for number in range(70 + len(caught), 100):
    record(number)
""",
        100,
        100,
    ),
}


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    """Somebody who was told, and has recorded nothing yet."""
    with user_at(tmp_path) as somebody:
        somebody.manifest.write_text(MANIFEST + STEPS, encoding="utf-8")
        somebody.inform()
        yield somebody


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_event_at_the_very_end_makes_no_noise_and_does_not_hang(user: User, ending: str) -> None:
    user.host.write_text(HOST + ENDINGS[ending].script, encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", str(user.host), str(user.manifest)],
        env=user.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=15,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    until(lambda: not user.senders())
    events = len(user.kept())
    assert ENDINGS[ending].least <= events <= ENDINGS[ending].most
    assert all(content.endswith(b"}") for content in Spool(user.where.spool).peek())
