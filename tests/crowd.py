"""Crowd: hosts by the hundred, a collector, and where their events went.

Every event says which host it is of and its number there, so that each one can be accounted for.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from collecting import records
from support import CLOSED, MANIFEST, User, user_at

import cli_analytics
from cli_analytics import environment, spool

STEPS = """
[events.step_taken]
why = "To account for each one"
[events.step_taken.properties]
host = { type = "integer", min = 0, max = 9999 }
number = { type = "integer", min = 0, max = 999999 }
"""

# A host without click and without site-packages: the work of 20 ms that a shell script calls a thousand times.
WALKER = """
import sys, time
from cli_analytics import Analytics

manifest, host, steps, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
analytics = Analytics("mytool", version="1.2.3", manifest=manifest)
began = time.monotonic()
for number in range(steps):
    moment = (number + host * 61 % 100 / 100) * seconds / steps
    time.sleep(max(0.0, began + moment - time.monotonic()))
    analytics.record("step_taken", host=host, number=number)
"""

# One that does not come to an end, and says what it holds after a tenth and after all of its steps.
MARATHON = """
import os, sys
from cli_analytics import Analytics

def held():
    resident = int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return resident, len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))

manifest, steps = sys.argv[1], int(sys.argv[2])
analytics = Analytics("mytool", version="1.2.3", manifest=manifest)
for number in range(steps):
    analytics.record("step_taken", host=1, number=number)
    if number in (steps // 10, steps - 1):
        print(*held(), flush=True)
"""

Step = tuple[int, int]  # the host and the number


class Archive(NamedTuple):
    """A collector in a process of its own, and its files."""

    url: str
    folder: Path

    def steps(self) -> Counter[Step]:
        """The steps in the archive, and how often each is there."""
        found = (record for record in records(self.folder) if record["event"] == "step_taken")
        return Counter((step["properties"]["host"], step["properties"]["number"]) for step in found)

    def dropped(self) -> int:
        """How many events never came, by the events that came after them."""
        return sum(record["context"].get("dropped_events", 0) for record in records(self.folder))

    def repeated(self) -> int:
        """How many events came once more than they were archived."""
        with urllib.request.urlopen(f"{self.url}/healthz", timeout=20) as answer:
            return int(json.load(answer)["repeated"])


@contextmanager
def walker_and_archive(folder: Path) -> Iterator[tuple[User, Archive]]:
    """Somebody who was told by the host `walker`, and a collector to which its events go."""
    with user_at(folder / "user") as user:
        user.manifest.write_text(MANIFEST + STEPS, encoding="utf-8")
        user.inform()
        user.host.write_text(WALKER, encoding="utf-8")
        user.environ["PYTHONPATH"] = str(Path(cli_analytics.__file__).parents[1])
        with _collector(folder / "archive", user.manifest) as archive:
            user.environ[environment.ENDPOINT] = archive.url
            yield user, archive


@contextmanager
def _collector(folder: Path, manifest: Path) -> Iterator[Archive]:
    command = [sys.executable, "-m", "cli_analytics", "collect", "--manifest", str(manifest), "--archive", str(folder)]
    with subprocess.Popen(
        [*command, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield Archive(process.stdout.readline().strip(), folder)
        finally:
            process.terminate()


def walker(user: User) -> list[str]:
    """The command of the host, but for its number, its steps, and the seconds in which it takes them."""
    return [sys.executable, "-S", str(user.host), str(user.manifest)]


def walk(user: User, host: int, steps: int = 1, seconds: float = 0) -> subprocess.Popen[bytes]:
    """Start the host number `host`."""
    words = [*walker(user), str(host), str(steps), str(seconds)]
    return subprocess.Popen(words, env=user.environ, stdin=subprocess.DEVNULL, close_fds=False)


class Held(NamedTuple):
    """What a process holds: bytes of memory, open descriptors, threads."""

    resident: int
    descriptors: int
    threads: int


class Waiting(NamedTuple):
    """How many events are in a spool, claimed ones included, and their bytes."""

    events: int
    size: int


def marathon(user: User, steps: int) -> tuple[list[Held], list[Waiting]]:
    """A host of so many steps whose endpoint is dead: what it held, and what was seen in the spool meanwhile."""
    environ = {**user.environ, environment.ENDPOINT: CLOSED}
    command = [sys.executable, "-S", "-c", MARATHON, str(user.manifest), str(steps)]
    seen = []
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as host:
        while host.poll() is None:
            seen.append(_waiting(user))
            time.sleep(0.1)
        assert host.stdout is not None
        return [Held(*map(int, line.split())) for line in host.stdout], seen


def _waiting(user: User) -> Waiting:
    found = {path.name for place in ("new/*", "claimed/**/*") for path in Path(user.where.spool).glob(place)}
    sizes = [size for size in map(spool.size, found) if size]
    return Waiting(len(sizes), sum(sizes))
