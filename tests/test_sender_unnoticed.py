"""What the host and who called it notice of the sender: nothing. The server never answers, so it is alive meanwhile."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from recorder import Recorder, recorder
from senders import kill_senders, let_pauses_pass
from support import User, user_at
from watch import children_of, needs_proc, until

from cli_analytics import sender

pytestmark = [needs_proc, pytest.mark.slow]

SECONDS = 8  # a caller who had to wait for the sender would wait longer


@pytest.fixture
def server() -> Iterator[Recorder]:
    with recorder() as running:
        running.answering.clear()
        yield running


@pytest.fixture
def user(tmp_path: Path, server: Recorder) -> Iterator[User]:
    """Somebody who was told, and has recorded nothing yet."""
    with user_at(tmp_path, server.url) as somebody:
        somebody.inform()
        yield somebody


def the_sender(user: User, server: Recorder) -> int:
    """The one sender that is alive, once it waits for its answer."""
    until(lambda: server.requests)
    [alive] = user.senders()
    return alive


@pytest.mark.parametrize(
    "script",
    [
        '"$@" | cat',
        '"$@" 2>&1 | cat',
        'timeout 5 "$@"',
        '"$@" & wait',
        '"$@" & wait $!',
        'echo "$("$@")"',
        'sh -c \'"$@"; wait\' sh "$@"',
        'nohup "$@" 2>/dev/null',
    ],
)
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_script_does_not_wait_for_it(user: User, server: Recorder, shell: str, script: str) -> None:
    if not shutil.which(shell) or ("timeout" in script and not shutil.which("timeout")):
        pytest.skip(f"there is no {shell}, or no timeout")
    done = subprocess.run(
        [shell, "-c", f"{script}; echo $?", shell, *user.command, "hello"],
        env=user.environ,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert (done.stdout, done.stderr) == ("hello\n0\n", "")
    assert the_sender(user, server)


def test_its_environment_is_the_hosts_and_where_to_find_us(user: User, server: Recorder) -> None:
    given = {**user.environ, "MARK": "kept", "LC_ALL": "C.UTF-8"}
    user.run("hello", **given)
    words = Path(f"/proc/{the_sender(user, server)}/environ").read_bytes().decode().strip("\0").split("\0")
    environ = dict(word.split("=", 1) for word in words)
    assert environ.items() >= given.items()
    assert environ.keys() - given.keys() <= {sender.PATH_VARIABLE, "PWD", "OLDPWD", "SHLVL", "_"}
    assert all(os.path.isabs(path) for path in environ[sender.PATH_VARIABLE].split(os.pathsep))


# What hosts do about children that end.
HABITS = {
    "sets nothing": "",
    "ignores them": "signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
    "blocks the signal": "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})",
    "waits for all in a handler": """
def wait_for_all(*_):
    try:
        while ended := os.waitpid(-1, os.WNOHANG)[0]:
            met.append(ended == own)
    except ChildProcessError:
        pass
signal.signal(signal.SIGCHLD, wait_for_all)
""",
}
PARENT = """
import os, signal, sys, time
from cli_analytics import Analytics

analytics = Analytics("mytool", version="1.2.3", manifest=sys.argv[1])
met = []
{}
ours, theirs = os.pipe()
until_closed = [(os.POSIX_SPAWN_DUP2, ours, 0)]
command = [sys.executable, "-I", "-S", "-c", "import os; os.read(0, 1)"]
own = os.posix_spawn(sys.executable, command, os.environ, file_actions=until_closed)
if "bare" not in sys.argv:
    analytics.record("report_exported", format="csv")
print("own child lives:", os.waitpid(own, os.WNOHANG), "others:", met)
os.close(ours)
os.close(theirs)
try:
    print("waited for its own:", os.wait()[0] == own)
except ChildProcessError:
    print("has no children, met its own:", met)
print(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
"""


@pytest.mark.parametrize("habit", HABITS)
def test_a_host_meets_only_its_own_children(user: User, server: Recorder, habit: str) -> None:
    user.host.write_text(PARENT.format(HABITS[habit]), encoding="utf-8")
    bare = user.run(str(user.manifest), "bare")
    assert (bare.returncode, bare.stderr, server.requests) == (0, "", [])
    for number in range(1, 6):
        ended = user.run(str(user.manifest))
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, bare.stdout, "")
        until(lambda number=number: len(server.requests) == number)  # type: ignore[misc]
        kill_senders(user)
        let_pauses_pass(user)


@pytest.mark.parametrize("closed", ["0", "1", "2", "01", "12", "02", "012"])
def test_a_host_with_closed_streams_starts_one_that_holds_the_lock(user: User, server: Recorder, closed: str) -> None:
    close = "import os, sys\nfor number in sys.argv[1]: os.close(int(number))\nos.execv(sys.argv[2], sys.argv[2:])"
    subprocess.run(
        [sys.executable, "-c", close, closed, *user.command, "hello"],
        env=user.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=SECONDS,
    )
    alive = the_sender(user, server)
    assert os.readlink(f"/proc/{alive}/fd/3") == user.where.sender_lock
    assert [os.readlink(f"/proc/{alive}/fd/{number}") for number in (0, 1, 2)] == [os.devnull] * 3
    assert sender.is_alive(user.where)


LIVING = """
import ctypes, os, sys
from cli_analytics import Analytics

if "first" in sys.argv:
    PR_SET_CHILD_SUBREAPER = 36
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
analytics = Analytics("mytool", version="1.2.3", manifest=sys.argv[1])
for line in sys.stdin:
    analytics.record("report_exported", format="csv")
    print(line, flush=True)
"""
NO_SHELL = ["unshare", "--mount", "sh", "-c", 'mount --bind /dev/null "$(readlink -f /bin/sh)" && exec "$@"', "sh"]
can_hide_the_shell = pytest.mark.skipif(
    subprocess.run([*NO_SHELL, "true"], capture_output=True).returncode != 0 if shutil.which("unshare") else True,
    reason="hiding /bin/sh takes root and unshare",
)


@pytest.mark.parametrize("prefix", [[], pytest.param(NO_SHELL, marks=can_hide_the_shell)], ids=["first", "no shell"])
def test_a_host_whose_children_they_are_buries_them(user: User, server: Recorder, prefix: Sequence[str]) -> None:
    """It is the first process of its container, or there is no shell to make the sender nobody's child."""
    user.host.write_text(LIVING, encoding="utf-8")
    words = [*prefix, *user.command, str(user.manifest), *([] if prefix else ["first"])]
    with subprocess.Popen(words, env=user.environ, stdin=-1, stdout=-1, text=True) as host:
        assert host.stdin is not None
        assert host.stdout is not None
        for number in range(1, 4):
            host.stdin.write("\n")
            host.stdin.flush()
            host.stdout.readline(), host.stdout.readline()
            until(lambda number=number: len(server.requests) == number)  # type: ignore[misc]
            assert len(children_of(host.pid)) == 1, "the living one"
            assert kill_senders(user) == 1
            let_pauses_pass(user)
        host.stdin.close()
