"""What is on the disk when it is full, when a process is killed between any two calls, and when fifty start at once."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import breakers
import pytest
from homes import MODES, MOUNTS, can, modes_count
from support import TOOL, User, read_terminal, user_at
from visitor import Ended, Visitor, notice_text
from watch import until

from cli_analytics import consent, identity, storage
from cli_analytics.spool import Spool
from cli_analytics.storage import Storage

pytestmark = pytest.mark.slow
Figure = Callable[[str, object], None]
RUNS = {"a first run": ("work",), "a run": ("work",), "on": ("analytics", "on"), "off": ("analytics", "off")}
ADVICE = "SEND_ANONYMOUS_USAGE_INFO=false"
SAID_OFF = "records no usage data any more"
DRAFT = re.compile(r"\.\d+\.[0-9a-f]{8}$")
FIFTY = 50

STRACE = ("strace", "-f", "-qq")
QUICKLY = "--seccomp-bpf"  # which delivers no signals
# Whatever changes a file; some processors have only the newer one of two.
CALLS = (
    "openat,write,fchmod,ftruncate,utimensat,linkat,mkdirat,unlinkat,?mkdir,?rename,?renameat,?renameat2,?link,?unlink"
)
needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None or subprocess.run([*STRACE, QUICKLY, "true"], capture_output=True).returncode != 0,
    reason="needs strace, and leave to trace",
)


class Call(NamedTuple):
    """A system call that changes a file: its name, and which one of that name it is in the process."""

    name: str
    number: int
    is_output: bool


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Visitor]:
    """Who was not told yet, who was told and has no id yet, and who has all there can be; by what they run."""
    told, folder = Visitor(tmp_path_factory.mktemp("told")), tmp_path_factory.mktemp("homes")
    told.inform()
    begun = told.copy(folder / "begun")
    for path in (begun.files.config, begun.files.spool):
        shutil.rmtree(path)
    stranger = Visitor(folder / "stranger", told)
    return {"a first run": stranger, "a run": begun, "on": stranger, "off": told}


def assert_whole(files: Storage) -> bool:
    """Assert that nothing is half written, and that there is one id at most; whether the user counts as told."""
    consent.read_choice(files.choice)
    known, kept = identity.known(files), consent.read_stamp(files)
    events = [json.loads(content) for content in Spool(files.spool).peek()]
    assert len({known, *(event["anonymousId"] for event in events)} - {""}) <= 1
    return kept is not None and kept.informed


def has_done(run: str, files: Storage, ended: Ended) -> bool:
    """Whether a run could do all that it is for; whatever it could, it says what is true and is as without us."""
    is_told, choice = assert_whole(files), consent.read_choice(files.choice)
    if run == "a first run":
        assert (Spool(files.spool).waiting(), identity.known(files)) == ([], "")
        return is_told
    if run == "a run":
        return len(Spool(files.spool).waiting()) == 2
    assert "Traceback" not in ended.stderr
    assert ended.status in (0, 1)
    if run == "on":
        assert ended.status == 1 or (choice, is_told) == ("on", True)
    else:
        assert ended.status == 1 or (choice, identity.known(files), os.path.exists(files.log)) == ("off", "", False)
        assert choice == "off" or (not is_told and ADVICE in ended.stderr)
    return ended.status == 0


def verdict(run: str) -> str:
    return "each told the truth" if RUNS[run][0] == "analytics" else "100 % identical"


def is_as_without_us(user: Visitor, run: str, ended: Ended, files: Storage) -> bool:
    """Also the notice, without which nobody counts as told."""
    if run not in ("a first run", "a run"):
        return True
    user.prefix, text = [], notice_text(user)
    told_before = run == "a run"
    assert told_before or not assert_whole(files) or text in ended.stderr
    return ended._replace(stderr=ended.stderr.replace(text, "")) == user.bare(terminal=True)


class Disk:
    """A file system of its own for a home, with room for a few files more; in a mount namespace that goes with it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._shell = subprocess.Popen(
            ["unshare", "-m", "sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._do(f'mount -t tmpfs tmpfs "{home}"')
        self.prefix = ["nsenter", f"--mount=/proc/{self._shell.pid}/ns/mnt"]
        self.seen = Path(f"/proc/{self._shell.pid}/root{home}")

    def fill(self, content: Path, files: int, pages: int) -> None:
        """Hold that content, and leave room for so many files and pages."""
        self._do(f'mount -o remount,size=8m,nr_inodes=2k "{self.home}" && find "{self.home}" -mindepth 1 -delete')
        self._do(f'cp -a "{content}/." "{self.home}" && echo "no disk is empty" > "{self.home}/notes"')
        of = os.statvfs(self.seen)
        size, inodes = (of.f_blocks - of.f_bfree + pages) * of.f_bsize, of.f_files - of.f_ffree + files
        self._do(f'mount -o remount,size={size},nr_inodes={inodes} "{self.home}"')

    def close(self) -> None:
        self._shell.communicate()

    def _do(self, command: str) -> None:
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"{command}; echo $?\n")
        self._shell.stdin.flush()
        assert self._shell.stdout.readline() == "0\n", command


@contextmanager
def disk_of(user: Visitor) -> Iterator[Disk]:
    disk = Disk(user.home)
    try:
        yield disk
    finally:
        disk.close()


@pytest.mark.skipif(not can(MOUNTS), reason=f"needs {MOUNTS}")
@pytest.mark.parametrize("run", RUNS)
def test_a_disk_that_is_full_at_whichever_write_is_none_of_the_hosts(
    run: str, homes: dict[str, Visitor], tmp_path: Path, record_property: Figure
) -> None:
    user = homes[run].copy(tmp_path)
    rooms = [*((files, 50) for files in range(16)), *((50, pages) for pages in range(6))]
    done = []
    with disk_of(user) as disk:
        files = storage.locate(TOOL, {"HOME": str(disk.seen)})
        for room in rooms:
            disk.fill(homes[run].home, *room)
            user.prefix = disk.prefix
            ended = user.call(*RUNS[run], terminal=True)
            done.append(has_done(run, files, ended))
            assert is_as_without_us(user, run, ended, files), room
            assert not [path for path in disk.seen.rglob("*") if DRAFT.search(path.name)], room
    assert (done[0], done[15], done[16], done[-1]) == (False, True, False, True), "it was full, and then it was not"
    record_property("figure", f"{run}: {len(rooms)} disks, {done.count(False)} of them too small, {verdict(run)}")


@pytest.mark.skipif(not can(MOUNTS), reason=f"needs {MOUNTS}")
@pytest.mark.parametrize("room", [(0, 50), (50, 0)], ids=["no inode", "no page"])
def test_status_says_that_the_disk_is_full(room: tuple[int, int], homes: dict[str, Visitor], tmp_path: Path) -> None:
    user = homes["off"].copy(tmp_path)
    with disk_of(user) as disk:
        disk.fill(homes["off"].home, *room)
        user.prefix = disk.prefix
        shown = json.loads(user.call("analytics", "status", "--json").stdout)
        assert (shown["recording"], shown["decided_by"]) == (False, "storage")
        assert "full" in shown["reason"]


def changes(user: Visitor, run: str) -> list[Call]:
    """The calls of a run that change a file, in order."""
    user.prefix = [*STRACE, QUICKLY, "-o", str(user.folder / "trace"), "-e", f"trace={CALLS}"]
    user.call(*RUNS[run], terminal=True)
    counts: Counter[str] = Counter()
    found = []
    for line in (user.folder / "trace").read_text(encoding="utf-8").splitlines():
        name = re.sub(r"^\d+ +", "", line).split("(")[0]
        counts[name] += 1
        if name != "openat" or "O_CREAT" in line:
            found.append(Call(name, counts[name], re.search(r" write\([12],", line) is not None))
    return found


def disturb(user: Visitor, run: str, call: Call, how: str) -> Ended:
    """A run in which that happens at that call."""
    injection = ("-e", f"trace={call.name}", "-e", f"inject={call.name}:{how}:when={call.number}")
    speed, trace = () if how.startswith("signal") else (QUICKLY,), user.folder / "trace"
    user.prefix = [*STRACE, *speed, "-o", str(trace), *injection]
    ended = user.call(*RUNS[run], terminal=True)
    user.prefix = []
    assert re.search(r"\(INJECTED\)|killed by SIGKILL", trace.read_text(encoding="utf-8")), call
    return ended


@needs_strace
@pytest.mark.parametrize("run", RUNS)
def test_a_quota_that_is_used_up_at_whichever_call_is_none_of_the_hosts(
    run: str, homes: dict[str, Visitor], tmp_path: Path, record_property: Figure
) -> None:
    calls = [call for call in changes(homes[run].copy(tmp_path / "all"), run) if not call.is_output]
    for number, call in enumerate(calls):
        user = homes[run].copy(tmp_path / str(number))
        ended = disturb(user, run, call, "error=EDQUOT")
        has_done(run, user.files, ended)
        assert is_as_without_us(user, run, ended, user.files), call
        drafts = [path for path in user.home.rglob("*") if DRAFT.search(path.name)]
        assert not drafts or "unlink" in call.name, call
    record_property("figure", f"{run}: no quota left at each of {len(calls)} calls, {verdict(run)}")


@needs_strace
@pytest.mark.parametrize("run", RUNS)
def test_killed_before_whichever_call_it_leaves_whole_files_and_the_next_run_goes_well(
    run: str, homes: dict[str, Visitor], tmp_path: Path, record_property: Figure
) -> None:
    calls = changes(homes[run].copy(tmp_path / "all"), run)
    for number, call in enumerate(calls):
        user = homes[run].copy(tmp_path / str(number))
        killed = disturb(user, run, call, "signal=KILL")
        assert killed.status == -signal.SIGKILL, call
        is_told, text = assert_whole(user.files), notice_text(user)
        assert is_told is False or run != "a first run" or text in killed.stderr, call
        assert SAID_OFF not in killed.stdout or not user.ids()
        if run == "a first run" and is_told:
            continue  # it was killed after all was done
        again = user.call(*RUNS[run], terminal=True)
        assert has_done(run, user.files, again) or run == "a run", call
        assert run != "a first run" or text in again.stderr, call
        assert run != "a run" or len(user.waiting()) >= 2, call
        assert run != "off" or (user.events(), user.ids()) == ([], []), call
    record_property("figure", f"{run}: killed before each of the {len(calls)} calls that change a file")


def start(user: User, count: int) -> list[str]:
    """That many runs at once, each on a terminal; what was shown on each."""
    terminals, processes = [], []
    for _ in range(count):
        ours, theirs = pty.openpty()
        processes.append(user.start("hello", stdout=subprocess.DEVNULL, stderr=theirs))
        os.close(theirs)
        terminals.append(ours)
    shown = [read_terminal(terminal) for terminal in terminals]
    assert [process.wait(60) for process in processes] == [0] * count
    return shown


def test_fifty_first_runs_at_once_show_one_notice_and_fifty_runs_after_it_have_one_id(
    tmp_path: Path, record_property: Figure
) -> None:
    with user_at(tmp_path) as user:
        shown = start(user, FIFTY)
        assert sum("Nothing was recorded in this run." in text for text in shown) == 1
        assert sum(map(bool, shown)) == 1
        breakers.hold(user.where)
        assert not any(start(user, FIFTY))
        user.end()  # one that began when others had ended may have found that the user was told
        ids = [json.loads(path.read_bytes())["anonymousId"] for path in user.kept()]
        assert len(ids) >= FIFTY
        assert set(ids) == {identity.known(user.where)}
        assert not [path for path in user.home.rglob("*") if DRAFT.search(path.name)]
    record_property("figure", f"{FIFTY} first runs at once: 1 notice; {FIFTY} runs at once after it: 1 id")


@pytest.mark.parametrize("umask", ["077", "000", "777"])
def test_whatever_the_umask_folders_are_0700_and_files_0600(umask: str, tmp_path: Path) -> None:
    if not can(MODES):
        pytest.skip(f"needs {MODES}")
    user = Visitor(tmp_path)
    modes_count(user)
    user.prefix += ["sh", "-c", f'umask {umask}; exec "$@"', "sh"]
    for _ in range(2):
        user.call("work", terminal=True)
    until(lambda: os.path.exists(user.files.breaker))  # the sender has tried
    user.end()
    modes = {path: oct(path.lstat().st_mode & 0o777) for path in user.home.rglob("*")}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {"0o700"}
    assert {path.name: mode for path, mode in modes.items() if path.is_file() and mode != "0o600"} == {}
