"""Promise 4, off means off: whatever says no, no file, folder, thread, process or socket, and not one word."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import audit
import pytest
from recorder import Recorder, recorder
from senders import let_pauses_pass
from support import MANIFEST, User, on_terminal, user_at
from watch import listing, needs_proc, processes_at, until

from cli_analytics import disclosure, manifest
from cli_analytics.spool import Spool

NETWORK = {"socket", "_socket", "ssl", "http.client", "urllib.request", "requests", "urllib3", "asyncio"}
ID = "0b7e2f9a-1c3d-4e5f-8a9b-0c1d2e3f4a5b"
DIGEST = disclosure.digest(manifest.parse(MANIFEST.encode()))  # so that it informs, where it does not say off
YESTERDAY = date.today() - timedelta(days=2)  # in any time zone


def nothing(_user: User) -> None:
    """The source is a variable or an argument."""


def choice(content: str, *places: str) -> Callable[[User], None]:
    """A choice file in the user's (`~`) or the machine's (`/`) configuration directory."""

    def prepare(user: User) -> None:
        for place in places:
            path = user.home / ".config" / place[2:] if place.startswith("~/") else user.site / place[1:]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="ascii")

    return prepare


def folder_in_place_of(*places: str) -> Callable[[User], None]:
    """Something that can't be read where a choice would be."""

    def prepare(user: User) -> None:
        for place in places:
            path = user.home / ".config" / place[2:] if place.startswith("~/") else user.site / place[1:]
            path.mkdir(parents=True)

    return prepare


def policy(line: str) -> Callable[[User], None]:
    def prepare(user: User) -> None:
        text = user.manifest.read_text(encoding="utf-8")
        user.manifest.write_text(text.replace("[policy]\n", f"[policy]\n{line}\n"), encoding="utf-8")

    return prepare


def somebody_elses_storage(user: User) -> None:
    """A folder that can't be written; for root, who can write everywhere, one of somebody else's."""
    for folder in (Path(user.where.config), Path(user.where.state)):
        while not folder.exists():
            folder = folder.parent
        if os.geteuid() == 0:
            os.chown(folder, 12345, 12345)
        else:
            folder.chmod(0o500)


def file_in_place_of_the_state_folder(user: User) -> None:
    state = user.home / ".local"
    if state.exists():
        shutil.rmtree(state)
    state.write_text("", encoding="ascii")


def broken_stamp(user: User) -> None:
    path = Path(user.where.stamp)
    if path.exists():
        path.write_text("told: yes", encoding="ascii")
    else:
        path.mkdir(parents=True)


class Off(NamedTuple):
    """One source that says no: variables, arguments, and what is done to the user's or the machine's files."""

    environ: Mapping[str, str] = {}
    arguments: tuple[str, ...] = ()
    prepare: Callable[[User], None] = nothing


SOURCES = {
    "SEND_ANONYMOUS_USAGE_INFO=false": Off({"SEND_ANONYMOUS_USAGE_INFO": "false"}),
    "SEND_ANONYMOUS_USAGE_INFO with a typo": Off({"SEND_ANONYMOUS_USAGE_INFO": "ture"}),
    "DO_NOT_TRACK=1": Off({"DO_NOT_TRACK": "1"}),
    "DO_NOT_TRACK=1 beside a yes": Off({"DO_NOT_TRACK": "1", "SEND_ANONYMOUS_USAGE_INFO": "true"}),
    "a variable of policy.opt_out_env": Off({"MYTOOL_NO_ANALYTICS": "1"}),
    "a hand-over that says off": Off({"CLI_ANALYTICS_HANDOVER": f"1:{ID}:{DIGEST}:off"}),
    "a hand-over that says off beside a yes": Off(
        {"CLI_ANALYTICS_HANDOVER": f"1:{ID}:{DIGEST}:off", "SEND_ANONYMOUS_USAGE_INFO": "true"}
    ),
    "a hand-over that can't be read": Off({"CLI_ANALYTICS_HANDOVER": f"1:{ID}:{DIGEST}"}),
    "a hand-over of a later version": Off({"CLI_ANALYTICS_HANDOVER": f"2:{ID}:{DIGEST}:on"}),
    "DO_NOT_TRACK=1 beside a hand-over": Off({"CLI_ANALYTICS_HANDOVER": f"1:{ID}:{DIGEST}:on", "DO_NOT_TRACK": "1"}),
    "--no-analytics": Off(arguments=("--no-analytics",)),
    "--no-analytics beside a yes": Off({"SEND_ANONYMOUS_USAGE_INFO": "1"}, ("--no-analytics",)),
    "the host's setting": Off({"HOST_SAYS_NO": "1"}),
    "the user's choice": Off(prepare=choice("off 2026-01-02\n", "~/mytool/analytics/choice")),
    "the user's choice beside a yes": Off(
        {"SEND_ANONYMOUS_USAGE_INFO": "true"}, prepare=choice("off\n", "~/mytool/analytics/choice")
    ),
    "the user's choice for all tools": Off(prepare=choice("off\n", "~/cli-analytics/choice")),
    "all tools off and this one on": Off(
        prepare=lambda user: (
            choice("off\n", "~/cli-analytics/choice")(user),
            choice("on\n", "~/mytool/analytics/choice")(user),
        )[0]
    ),
    "the machine's choice": Off(prepare=choice("off\n", "/mytool/analytics/choice")),
    "the machine's choice for all tools": Off(prepare=choice("off\n", "/cli-analytics/choice")),
    "an unreadable choice": Off(prepare=folder_in_place_of("~/mytool/analytics/choice")),
    "an unreadable choice for all tools": Off(prepare=folder_in_place_of("~/cli-analytics/choice")),
    "an unreadable choice of the machine": Off(prepare=folder_in_place_of("/mytool/analytics/choice")),
    "a choice that is neither": Off(prepare=choice("maybe\n", "~/mytool/analytics/choice")),
    "an empty choice": Off(prepare=choice("", "~/mytool/analytics/choice")),
    "CI": Off({"CI": "true"}),
    "a CI service": Off({"JENKINS_URL": "https://ci.example.org"}),
    "a test run": Off({"PYTEST_CURRENT_TEST": "test_it"}),
    "a development version": Off({"HOST_VERSION": "1.3.0.dev1"}),
    "no version": Off({"HOST_VERSION": ""}),
    "the end date": Off(prepare=policy(f"ends = {YESTERDAY}")),
    "opt-in without a yes": Off(prepare=policy('default = "off"')),
    "storage that is somebody else's": Off(prepare=somebody_elses_storage),
    "a file where the state folder would be": Off(prepare=file_in_place_of_the_state_folder),
    "a stamp that can't be read": Off(prepare=broken_stamp),
    "a broken manifest": Off(prepare=policy("opt_out = true")),
    "a manifest that is gone": Off(prepare=lambda user: user.manifest.unlink()),
    "no home": Off({"HOME": ""}),
}


@pytest.fixture(scope="module")
def server() -> Iterator[Recorder]:
    with recorder() as running:
        yield running


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory, server: Recorder) -> Iterator[dict[str, User]]:
    """A user who has never run the tool, and one who was told, of whom an event has arrived and another one waits."""
    folder = tmp_path_factory.mktemp("off")
    with user_at(folder / "fresh", server.url) as fresh, user_at(folder / "informed", server.url) as informed:
        informed.inform()
        informed.run("hello")
        assert server.wait(events=1)
        until(lambda: not informed.claimed())
        informed.end()
        until(lambda: not informed.senders())
        Spool(informed.where.spool).append(b"{}")  # what waits is no reason to start a sender
        yield {"fresh": fresh, "informed": informed}


@pytest.fixture(params=["fresh", "informed"])
def user(request: pytest.FixtureRequest, homes: dict[str, User], tmp_path: Path) -> Iterator[User]:
    copy = homes[request.param].copy(tmp_path)
    yield copy
    copy.end()


# All of them on one Python, every sixth on the others.
EACH = [pytest.param(source, marks=[pytest.mark.slow] if number % 6 else []) for number, source in enumerate(SOURCES)]


@pytest.mark.parametrize("source", EACH)
def test_it_leaves_no_file_thread_process_or_socket(user: User, server: Recorder, source: str) -> None:
    off = SOURCES[source]
    off.prepare(user)
    before, requests = listing(user.folder), len(server.requests)
    arguments = [*off.arguments, "export", "7"]
    shown = on_terminal(audit.command(user.host, *arguments), {**user.environ, **off.environ}, user.folder)
    assert (shown.status, shown.terminal) == (0, "")
    seen = audit.result(shown.stdout)
    assert seen.acts == []
    assert seen.threads == 1
    assert not NETWORK & seen.modules
    assert "logging" not in seen.modules
    assert listing(user.folder) == before
    assert len(server.requests) == requests


@needs_proc
def test_an_informed_run_is_seen_to_write_and_to_start_a_process(homes: dict[str, User], tmp_path: Path) -> None:
    """Without which the test above would prove nothing."""
    user = homes["informed"].copy(tmp_path)
    try:
        let_pauses_pass(user)
        seen = audit.run(user.host, "export", "7", environ=user.environ)
        assert len(seen.of(audit.STARTS)) == 1
        assert [act for act in seen.acts if act.startswith("open ") and "/spool/tmp/" in act]
        until(lambda: processes_at(user.home))
    finally:
        user.end()


@pytest.mark.slow
@pytest.mark.parametrize("source", ["DO_NOT_TRACK=1", "the user's choice", "the machine's choice for all tools", "CI"])
def test_a_flush_does_no_more_than_that(user: User, source: str) -> None:
    off = SOURCES[source]
    off.prepare(user)
    before = listing(user.folder)
    shown = on_terminal(audit.command(user.host, *off.arguments, "flush"), {**user.environ, **off.environ}, user.folder)
    assert (shown.status, shown.terminal) == (0, "")
    assert audit.result(shown.stdout).acts == []
    assert listing(user.folder) == before


def test_where_stderr_is_no_terminal_a_fresh_home_stays_empty(homes: dict[str, User], tmp_path: Path) -> None:
    user = homes["fresh"].copy(tmp_path)
    before = listing(user.folder)
    seen = audit.run(user.host, "export", "7", environ=user.environ)
    assert (seen.acts, seen.threads) == ([], 1)
    assert listing(user.folder) == before


STRACE = shutil.which("strace")
CALLS = "trace=openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,socket,connect,clone,"
CALLS += "clone3,fork,vfork,execve,unlink,unlinkat,flock"


@pytest.mark.slow
@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
@pytest.mark.parametrize(
    "source", ["SEND_ANONYMOUS_USAGE_INFO=false", "DO_NOT_TRACK=1", "--no-analytics", "the user's choice", "CI"]
)
def test_the_kernel_is_asked_for_nothing(user: User, source: str, tmp_path: Path) -> None:
    off = SOURCES[source]
    off.prepare(user)
    trace = tmp_path / "trace"
    arguments = [*off.arguments, "export", "7"]
    traced = subprocess.run(
        [str(STRACE), "-f", "-qq", "-e", CALLS, "-o", str(trace), *user.command, *arguments],
        env={**user.environ, **off.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if "Operation not permitted" in traced.stderr:
        pytest.skip("strace may not trace here")
    assert (traced.returncode, traced.stderr) == (0, "")
    assert [call for call in _calls(trace) if not call.startswith("execve")] == []
    assert len([call for call in _calls(trace) if call.startswith("execve")]) == 1


def _calls(trace: Path) -> Iterator[str]:
    """What was asked of the kernel beyond reading; Python itself asks for no more."""
    for line in trace.read_text(encoding="utf-8", errors="replace").splitlines():
        call = re.sub(r"^\d+ +", "", line)
        is_reading = call.startswith("open") and not re.search(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND", call)
        if not is_reading and not call.startswith(("+++", "---")):
            yield call
