"""Senders: who is alive, who lies dead, and the end of some of them."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import breakers
from support import User
from watch import children_of, until

from cli_analytics.spool import MAX_EVENTS

# What pid 1 is to a container: the parent of all whose own has ended. It waits for every child, or only for its runs.
INIT = """
import ctypes, os, sys

PR_SET_CHILD_SUBREAPER = 36
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
waits_for_all, command = sys.argv[1] == "all", sys.argv[2:]
for line in sys.stdin:
    for host in range(*map(int, line.split())):
        run = os.posix_spawn(command[0], [*command, str(host), "1", "0"], os.environ)
        while os.waitpid(-1 if waits_for_all else run, 0)[0] != run:
            pass
    print("done", flush=True)
try:
    while waits_for_all:
        os.wait()
except ChildProcessError:
    print("alone")
"""


def let_pauses_pass(user: User, seconds: int = 0) -> None:
    """As if the pause after a failure were over, and the last sender had been started so much earlier."""
    breakers.end_pauses(user.where)
    lock = Path(user.where.sender_lock)
    words = lock.read_text(encoding="ascii").split() if lock.exists() else []
    if len(words) == 3:
        lock.write_text(f"{words[0]} {int(words[1]) - seconds} {words[2]}\n", encoding="ascii")
    if words:
        os.utime(lock, (0, 0))  # nor does one that was killed seem alive


def kill_senders(user: User) -> int:
    """How many there were."""
    killed = 0
    for sender in user.senders():
        try:
            os.kill(sender, signal.SIGKILL)
            killed += 1
        except ProcessLookupError:
            pass  # it had ended
    until(lambda: not user.senders())
    return killed


def is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"Z"
    except OSError:
        return False


class Killer:
    """Kills senders at random moments: as they start, with events in their hands, or when they have sent.

    A spool keeps a thousand events, so where more than a third of that waits it is one that has sent.
    """

    def __init__(self, user: User, seed: int) -> None:
        self.user = user
        self.killed = 0
        self.most = 0  # alive at once
        self._random = random.Random(seed)

    def kill(self) -> None:
        """Kill the next sender that is seen."""
        if not until(self._is_any_alive, must=False):
            return
        moments = [lambda: True, self.user.claimed, lambda: len(self.user.waiting()) < 20]
        moment = self._random.choice(moments if len(self.user.waiting()) < MAX_EVENTS / 3 else moments[-1:])
        until(moment, seconds=10, must=False)
        time.sleep(self._random.uniform(0, 0.1))
        self.killed += kill_senders(self.user)
        let_pauses_pass(self.user)

    def _is_any_alive(self) -> bool:
        alive = len(self.user.senders())
        self.most = max(self.most, alive)
        return alive > 0


class Watcher:
    """Looks ten times a second which senders are alive."""

    def __init__(self, user: User) -> None:
        self.user = user
        self.most = 0  # alive at once
        self.seen: set[int] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.1):
            alive = self.user.senders()
            self.most = max(self.most, len(alive))
            self.seen.update(alive)


class Init:
    """A first process, which runs hosts one after the other."""

    def __init__(self, user: User, waits_for: str, *command: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-c", INIT, waits_for, *command],
            env=user.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Init:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def run(self, first: int, last: int) -> None:
        """Hosts `first` to `last - 1`, in a row."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{first} {last}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def zombies(self) -> list[int]:
        """Its children that have ended, and for which it did not wait."""
        return [pid for pid in children_of(self.process.pid) if is_zombie(pid)]

    def is_alone(self) -> bool:
        """Whether it has neither child nor zombie any more, once it has waited for all; ends it."""
        said, _ = self.process.communicate(timeout=60)
        return said == "alone\n"
