"""A host that lives long hears what its user says meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import breakers
from recorder import recorder
from support import User, user_at
from watch import needs_proc, until

from cli_analytics import identity

LIVES_LONG = """
import sys
from cli_analytics import Analytics

analytics = Analytics("mytool", version="1.2.3", manifest=sys.argv[1])
for _ in sys.stdin:
    analytics.record("report_exported", format="csv", rows=7)
    print("recorded", flush=True)
"""


@needs_proc
def test_an_off_ends_the_recording_of_a_process_that_lives_on(tmp_path: Path) -> None:
    with recorder() as server, user_at(tmp_path, server.url) as user, living(user) as step:
        user.inform()
        step()
        server.wait(events=1)
        until(lambda: os.path.exists(user.where.log) and not user.claimed())
        for sender in user.senders():  # or it would take what comes next
            os.kill(sender, signal.SIGKILL)
        until(lambda: not user.senders())
        os.utime(user.where.sender_lock, (0, 0))
        breakers.hold(user.where)
        step()
        known = identity.known(user.where)
        assert (known != "", len(user.appended())) == (True, 1)
        assert user.run("analytics", "off").returncode == 0
        for _ in range(3):
            step()
        breakers.let_go(user.where)
        step()
        left = [path for path in (user.where.client_id, user.where.log) if os.path.exists(path)]
        assert (left, user.kept(), user.senders()) == ([], [], [])
        assert len(server.events) == 1
        assert user.run("analytics", "on").returncode == 0
        step()
        [_, event] = server.wait(events=2)
        assert event["anonymousId"] not in ("", known)


@contextmanager
def living(user: User) -> Iterator[Callable[[], object]]:
    """A host that records one event for each step, which returns when it has."""
    command = [sys.executable, "-c", LIVES_LONG, str(user.manifest)]
    with subprocess.Popen(
        command, env=user.environ, cwd=user.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def step() -> None:
            stdin.write("\n")
            assert stdout.readline() == "recorded\n"

        yield step
        stdin.close()
