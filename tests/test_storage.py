"""Where files lie, and how they are read and written."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Optional

import platformdirs
import pytest

from cli_analytics import drafts, storage
from cli_analytics.storage import StorageError

on_xdg = pytest.mark.skipif(not sys.platform.startswith(("linux", "freebsd")), reason="elsewhere platformdirs is asked")

# The specification says of a relative path: "the path should be considered invalid and be ignored".
VALUES: dict[str, Optional[str]] = {
    "unset": None,
    "empty": "",
    "blank": " ",
    "absolute": "/srv/xdg",
    "absolute with spaces": "/srv/my files",
    "a trailing slash": "/srv/xdg/",
    "the root": "/",
    "relative": "srv/xdg",
    "a dot": ".",
    "a tilde": "~/xdg",
}
INVALID = ("relative", "a dot", "a tilde", "blank")


def placed(environ: dict[str, str]) -> tuple[str, str, str]:
    """The user's configuration and state directory and the machine's configuration directory."""
    where = storage.locate("mytool", environ)
    ends = "/mytool/analytics"
    assert where.config.endswith(ends)
    assert where.state.endswith(ends)
    assert where.machine_choices[0].endswith(f"{ends}/choice")
    found = (where.config, where.state, where.machine_choices[0][: -len("/choice")])
    config, state, site = (os.path.normpath(path[: -len(ends)] or "/") for path in found)
    return config, state, site


def of_platformdirs(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> tuple[str, str, str]:
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CONFIG_DIRS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    found = (platformdirs.user_config_dir(), platformdirs.user_state_dir(), platformdirs.site_config_dir())
    config, state, site = (os.path.normpath(path) for path in found)
    return config, state, site


@on_xdg
@pytest.mark.parametrize("name", ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CONFIG_DIRS"])
@pytest.mark.parametrize("form", VALUES)
def test_directories_are_those_of_platformdirs(monkeypatch: pytest.MonkeyPatch, name: str, form: str) -> None:
    """But for values that the specification calls invalid: older releases of platformdirs take those."""
    value = VALUES[form]
    environ = {"HOME": "/home/ada"} if value is None else {"HOME": "/home/ada", name: value}
    compared = {"HOME": "/home/ada"} if form in INVALID else environ
    assert placed(environ) == of_platformdirs(monkeypatch, compared)


@on_xdg
@pytest.mark.parametrize("form", ["absolute", "a trailing slash", "the root"])
def test_they_are_where_all_three_are_set_and_there_is_no_home(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    value = str(VALUES[form])
    environ = dict.fromkeys(("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CONFIG_DIRS"), value)
    assert placed(environ) == of_platformdirs(monkeypatch, environ)


@on_xdg
@pytest.mark.parametrize("home", ["/home/ada", "/home/ada/", "/"])
def test_homes_are_those_of_platformdirs(monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    assert placed({"HOME": home}) == of_platformdirs(monkeypatch, {"HOME": home})


@on_xdg
def test_without_a_home_it_is_the_one_of_the_users_account(monkeypatch: pytest.MonkeyPatch) -> None:
    assert placed({}) == of_platformdirs(monkeypatch, {})


@on_xdg
@pytest.mark.parametrize("home", ["", " ", "ada", "."])
def test_a_home_that_is_none_is_an_error_and_not_the_current_directory(home: str) -> None:
    with pytest.raises(StorageError):
        storage.locate("mytool", {"HOME": home})


@on_xdg
def test_of_the_machines_directories_the_first_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"HOME": "/home/ada", "XDG_CONFIG_DIRS": "/etc/one:/etc/two"}
    assert placed(environ)[2] == "/etc/one" == of_platformdirs(monkeypatch, environ)[2]


def test_naming_the_places_creates_nothing(tmp_path: Path) -> None:
    storage.locate("mytool", {"HOME": str(tmp_path)})
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_there_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert storage.read(str(tmp_path / "missing")) is None
    assert storage.read(str(tmp_path / "missing" / "deeper")) is None
    assert storage.read(str(tmp_path / "file" / "below")) is None
    assert storage.read(str(tmp_path / "file")) == b""


def test_what_is_there_and_is_no_file_of_ours_is_an_error_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "link").symlink_to("nothing")
    (tmp_path / "large").write_bytes(b"x" * (storage.MAX_BYTES + 1))
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")  # by a short name: its path may have 108 characters
        for name in ("folder", "fifo", "loop", "link", "large", "socket", "x" * 300):
            with pytest.raises(StorageError, match=str(tmp_path)):
                storage.read(str(tmp_path / name))
    with pytest.raises(StorageError):
        storage.read("/dev/zero")


def test_a_file_is_replaced_whole_and_belongs_to_the_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "made" / "on" / "the way" / "file"
    storage.replace(str(path), b"one")
    storage.replace(str(path), b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in list(path.parents)[:3]] == [0o700] * 3
    assert list(path.parent.iterdir()) == [path], "no draft is left behind"


def test_a_file_that_cannot_be_written_is_an_error_and_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError):
        storage.replace(str(tmp_path / "folder"), b"content")
    assert os.listdir(tmp_path) == ["folder"]


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    script = """
import resource, signal, sys
from cli_analytics import storage
from cli_analytics.storage import StorageError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    storage.replace(sys.argv[1], b"x" * 5000)
except StorageError as error:
    print(error)
"""
    path = tmp_path / "file"
    path.write_bytes(b"before")
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=30)
    assert str(path) in done.stdout
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_of_many_who_create_a_file_at_once_all_get_what_one_wrote(tmp_path: Path) -> None:
    path = str(tmp_path / "made" / "file")
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda number: drafts.create_once(path, b"%d" % number), range(200)))
    assert set(found) == {Path(path).read_bytes()}
    assert os.listdir(tmp_path / "made") == ["file"]


def test_a_lock_has_one_holder_and_ends_with_it(tmp_path: Path) -> None:
    path = str(tmp_path / "made" / "lock")
    held = storage.lock(path)
    assert held is not None
    assert storage.lock(path) is None
    assert not os.get_inheritable(held)
    os.close(held)
    again = storage.lock(path)
    assert again is not None
    os.close(again)


@pytest.mark.parametrize("name", ["loop", "link", "folder"])
def test_what_is_no_file_of_ours_is_no_lock(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "link").symlink_to("made")
    with pytest.raises(StorageError):
        storage.lock(str(tmp_path / name))
    assert not (tmp_path / "made").exists(), "a link is not followed to where it leads"


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_the_umask_neither_opens_nor_closes_them(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "made" / "on the way" / "file"
    before = os.umask(umask)
    try:
        storage.replace(str(path), b"content")
        held = storage.lock(f"{path}.lock")
    finally:
        os.umask(before)
    assert held is not None
    os.close(held)
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in list(path.parents)[:2]] == [0o700] * 2
    assert [stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()] == [0o600] * 2


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a folder in which nobody can make anything")
def test_where_no_folder_can_be_made_that_is_the_error() -> None:
    with pytest.raises(StorageError) as raised:
        storage.make_folder("/proc/cli-analytics/below")
    assert isinstance(raised.value.problem, OSError)
    with pytest.raises(StorageError):
        storage.lock("/proc/cli-analytics/below/lock")


def test_what_is_erased_leaves_no_draft_and_takes_nothing_else(tmp_path: Path) -> None:
    for name in ("file", "file.4711.0a1b2c3d", "file.4712.0a1b2c3d", "filed", "other.4711.0a1b2c3d"):
        (tmp_path / name).write_bytes(b"")
    drafts.erase(str(tmp_path / "file"))
    drafts.erase(str(tmp_path / "none" / "file"))
    assert sorted(os.listdir(tmp_path)) == ["filed", "other.4711.0a1b2c3d"]


def test_removing_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    storage.remove(str(tmp_path / "file"))
    storage.remove(str(tmp_path / "file"))
    storage.remove(str(tmp_path / "none" / "file"))
    with pytest.raises(StorageError):
        storage.remove(str(tmp_path))


def test_a_home_of_ones_own_is_no_problem(tmp_path: Path) -> None:
    assert storage.problem(storage.locate("mytool", {"HOME": str(tmp_path)})) == ""


def test_a_file_in_the_way_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / ".config").write_bytes(b"")
    assert str(tmp_path / ".config") in storage.problem(storage.locate("mytool", {"HOME": str(tmp_path)}))


@on_xdg
def test_a_home_that_is_not_there_is_a_problem_and_not_made(tmp_path: Path) -> None:
    home = tmp_path / "gone"
    assert f"{home} is no folder" in storage.problem(storage.locate("mytool", {"HOME": str(home)}))
    elsewhere = {"XDG_CONFIG_HOME": str(home / "config"), "XDG_STATE_HOME": str(home / "state")}
    assert storage.problem(storage.locate("mytool", {"HOME": str(home), **elsewhere})) == "", "nothing lies in it"


@pytest.mark.parametrize("part", ["", "new", "tmp"])
def test_a_file_in_the_place_of_the_spool_is_a_problem(tmp_path: Path, part: str) -> None:
    where = storage.locate("mytool", {"HOME": str(tmp_path)})
    path = Path(where.spool, part)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    assert str(path) in storage.problem(where)
    assert storage.problem(where, where.config) == "", "a choice can be kept"


def test_a_link_to_nowhere_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / ".local").symlink_to(tmp_path / "gone")
    assert storage.problem(storage.locate("mytool", {"HOME": str(tmp_path)}))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be in somebody else's home")
def test_root_stores_nothing_in_somebody_elses_home(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12345)
    assert "somebody else's" in storage.problem(storage.locate("mytool", {"HOME": str(tmp_path)}))


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
def test_a_home_that_cannot_be_written_is_a_problem(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "can't be written" in storage.problem(storage.locate("mytool", {"HOME": str(tmp_path)}))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_a_file_whose_mode_cannot_be_mended_keeps_no_descriptor_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lock").touch(mode=0o400)

    def refuse(_descriptor: int, _mode: int) -> None:
        raise PermissionError("it is somebody else's")

    monkeypatch.setattr(os, "fchmod", refuse)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(StorageError):
            storage.lock(str(tmp_path / "lock"))
    assert len(os.listdir("/proc/self/fd")) == before
