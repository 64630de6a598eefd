"""The check that a host's command opens nothing through us, for who says no. What it must see, it is shown to see."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import User, user_at

import cli_analytics
from cli_analytics import Analytics
from cli_analytics.testing.trial import opted_out_opens_nothing

pytestmark = pytest.mark.slow

WAYS = ["SEND_ANONYMOUS_USAGE_INFO=false", "DO_NOT_TRACK=1", "MYTOOL_NO_ANALYTICS=1", "--no-analytics"]
SAVED = "the saved choice"


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    """Theirs is the folder with the host; the check gives its user another home."""
    with user_at(tmp_path) as somebody:
        yield somebody
        User(tmp_path / "trial").end()


def check(user: User, *arguments: str, python: tuple[str, ...] = (), **environ: str) -> list[str]:
    home = user.folder / "trial" / "home"
    home.mkdir(parents=True)
    analytics = Analytics("mytool", version="1.2.3", manifest=user.manifest)
    tool = [sys.executable, *python, str(user.host)]
    return opted_out_opens_nothing(str(home), analytics, tool, *(arguments or ("export", "7")), environ=environ)


def change(user: User, old: str, new: str) -> None:
    """Change the host's source."""
    source = user.host.read_text(encoding="utf-8")
    assert old in source
    user.host.write_text(source.replace(old, new), encoding="utf-8")


def test_it_passes_a_host_that_leaves_it_to_us_and_says_what_was_tried(user: User) -> None:
    assert check(user) == [*WAYS, SAVED]


def test_it_tries_no_option_that_the_tool_has_not(user: User) -> None:
    change(user, "analytics.attach(cli)", "analytics.attach(cli, flag=None)")
    assert check(user) == [*WAYS[:3], SAVED]


def test_it_proves_something_in_tests_in_ci_and_for_a_development_version(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"HOST_VERSION": "1.3.0.dev1", "CI": "true", "PYTEST_CURRENT_TEST": "test_it"}.items():
        monkeypatch.setenv(name, value)
    assert check(user) == [*WAYS, SAVED]


def deaf_to(name: str, instead: str = "") -> Callable[[User], None]:
    """A host that hides a variable from us."""
    return lambda user: change(user, "host_setting=", f"environ={{**os.environ, {name!r}: {instead!r}}}, host_setting=")


def deaf_to_the_option(user: User) -> None:
    change(user, "analytics.attach(cli)", "analytics.attach(cli, flag=None)")
    change(
        user,
        "@click.group()\ndef cli():",
        "@click.group()\n@click.option('--no-analytics', is_flag=True)\ndef cli(**_):",
    )


@pytest.mark.parametrize(
    ("spoil", "way"),
    [
        (deaf_to("SEND_ANONYMOUS_USAGE_INFO"), WAYS[0]),
        (deaf_to("DO_NOT_TRACK"), WAYS[1]),
        (deaf_to("MYTOOL_NO_ANALYTICS"), WAYS[2]),
        (deaf_to_the_option, WAYS[3]),
        (deaf_to("XDG_CONFIG_HOME", "/nowhere"), SAVED),
    ],
    ids=[*WAYS, SAVED],
)
def test_it_fails_a_host_that_records_in_spite_of_one_way(user: User, spoil: Callable[[User], None], way: str) -> None:
    spoil(user)
    with pytest.raises(AssertionError, match=f"in spite of {way}:") as failed:
        check(user)
    assert "/spool/tmp/" in str(failed.value)
    assert "\n  os.posix_spawn " in str(failed.value)


def test_it_fails_a_host_whose_own_child_records(user: User) -> None:
    change(
        user,
        'click.echo("hello")',
        """
    import subprocess
    subprocess.run([sys.executable, __file__, "export", "7"], env={**os.environ, "DO_NOT_TRACK": ""}, check=True)
""",
    )
    with pytest.raises(AssertionError, match="in spite of DO_NOT_TRACK=1:"):
        check(user, "hello")


def test_it_fails_where_nothing_would_be_recorded_anyway_and_says_why(user: User) -> None:
    with pytest.raises(AssertionError, match="proves nothing(.|\n)*configuration says no"):
        check(user, HOST_SAYS_NO="1")


@pytest.mark.parametrize("option", ["-I", "-E", "-S"])
def test_it_fails_where_it_can_see_nothing(user: User, option: str) -> None:
    with pytest.raises(AssertionError, match="can't be watched"):
        check(user, python=(option,))


BUSY = """
import socket
import subprocess
import tempfile
import threading


def work():
    with tempfile.TemporaryDirectory() as folder, open(os.path.join(folder, "file"), "w"):
        os.mkdir(os.path.join(folder, "folder"))
    socket.getaddrinfo("127.0.0.1", 9)
    socket.socket().close()
    subprocess.run([sys.executable, "-c", "open(os.devnull, 'w')"])
    thread = threading.Thread(target=work_on)
    thread.start()
    thread.join()


def work_on():
    analytics.record("report_exported", format="csv")


class Lazy(click.Group):
    def get_command(self, ctx, name):
        work()
        return super().get_command(ctx, name)


class Closing(click.Command):
    def make_context(self, *args, **settings):
        ctx = super().make_context(*args, **settings)
        ctx.call_on_close(work)
        return ctx


@analytics.command
def decorated():
    work()


@click.group(cls=Lazy)
"""


def test_it_does_not_blame_the_host_for_what_the_host_opens(user: User) -> None:
    change(user, "\n@click.group()\n", BUSY)
    change(user, "@cli.command()\ndef hello():\n", "@cli.command(cls=Closing)\ndef hello():\n    decorated()\n")
    assert check(user, "hello") == [*WAYS, SAVED]


def test_a_sitecustomize_of_somebody_elses_runs_all_the_same(user: User) -> None:
    theirs = user.folder / "theirs"
    theirs.mkdir()
    (theirs / "sitecustomize.py").write_text(f"open({str(theirs / 'ran')!r}, 'a').close()\n", encoding="utf-8")
    assert check(user, PYTHONPATH=str(theirs)) == [*WAYS, SAVED]
    assert (theirs / "ran").exists()


ACTS = {
    "open": "open('new', 'w').close()",
    "os.mkdir": "os.mkdir('folder')",
    "os.rename": "os.replace('new', 'newer')",
    "os.utime": "os.utime('newer')",
    "os.chmod": "os.chmod('newer', 0o600)",
    "os.link": "os.link('newer', 'link')",
    "os.remove": "os.unlink('newer')",
    "fcntl.flock": "fcntl.flock(os.open('lock', os.O_RDONLY | os.O_CREAT), fcntl.LOCK_EX)",
    "socket.__new__": "socket.socket().close()",
    "socket.getaddrinfo": "socket.getaddrinfo('127.0.0.1', 9)",
    "subprocess.Popen": "subprocess.run(['/bin/true'])",
    "os.posix_spawn": "os.waitpid(os.posix_spawn('/bin/true', ['true'], {}), 0)",
    "os.fork": "os._exit(0) if os.fork() == 0 else os.wait()",
    "_thread.start_new_thread": "_thread.start_new_thread(int, ())",
}
OBSERVED = """
import _thread, fcntl, os, socket, subprocess, sys
from cli_analytics.testing import audit

audit.watch(sys.argv[1], hides="")
for line in sys.argv[3:]:
    exec(compile(line, sys.argv[2], "exec"))
"""


@pytest.mark.parametrize("place", ["client.py", os.path.join("integrations", "click.py"), "", "elsewhere"])
def test_an_act_of_ours_is_seen_and_one_of_anybody_elses_is_not(tmp_path: Path, place: str) -> None:
    """The code is compiled under the name of a file of ours, or under another one."""
    name = os.path.join(os.path.dirname(cli_analytics.__file__), place) if place != "elsewhere" else "elsewhere.py"
    seen = tmp_path / "acts"
    subprocess.run([sys.executable, "-c", OBSERVED, str(seen), name, *ACTS.values()], cwd=tmp_path, check=True)
    found = {line.split(" ")[0] for line in seen.read_text(encoding="utf-8").splitlines() if line}
    assert [act for act in ACTS if act not in found] == ([] if place != "elsewhere" else list(ACTS))
