"""Storage: where our files lie, and the few safe ways to read and write them.

    <user_config_dir>/<tool>/analytics/    client-id · choice
    <user_state_dir>/<tool>/analytics/     stamp · spool/ · sent.ndjson · breaker · *.lock
    <user_config_dir>/cli-analytics/       choice          the user's own, for every tool
    <site_config_dir>/<tool>/analytics/    choice          the machine's
    <site_config_dir>/cli-analytics/       choice          the machine's, for every tool

A Storage names these and creates nothing. Folders are made 0700 and files 0600. A file is replaced by draft and rename,
so a reader sees the old one or the new one.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Mapping
from typing import Optional

from cli_analytics import environment

ALL_TOOLS = "cli-analytics"
MAX_BYTES = 1_048_576  # none of our files grows larger; a larger one is somebody else's

_SAFELY = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)  # a FIFO in the place of a file blocks nobody
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


class StorageError(Exception):
    """A file that is there but can't be read, or a folder that can't be made."""

    def __init__(self, path: str, problem: object) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


class Storage:
    """Where the files of one tool lie; paths only."""

    def __init__(self, tool: str, config: str, state: str, site: str, home: str = "") -> None:
        self.home = home  # empty where the others don't lie in it
        self.choice = f"{config}/{tool}/analytics/choice"
        self.user_choice = f"{config}/{ALL_TOOLS}/choice"
        self.machine_choices = (f"{site}/{tool}/analytics/choice", f"{site}/{ALL_TOOLS}/choice")
        self.is_ephemeral = False  # gone with this start of a container
        self.is_mounted = False  # the spool is a launcher's, whose side sends
        self.lay_out(f"{config}/{tool}/analytics", f"{state}/{tool}/analytics")

    def lay_out(self, config: str, state: str) -> None:
        """Let all but the choices lie in these folders."""
        self.config, self.state = config, state
        self.client_id = f"{self.config}/client-id"
        self.stamp = f"{self.state}/stamp"
        self.notice_lock = f"{self.state}/notice.lock"
        self.spool = f"{self.state}/spool"
        self.log = f"{self.state}/sent.ndjson"
        self.breaker = f"{self.state}/breaker"
        self.sender_lock = f"{self.state}/sender.lock"


def locate(tool: str, environ: Mapping[str, str]) -> Storage:
    """The storage of the tool named `tool`. Raises StorageError where the user has no home directory."""
    if not environment.says_yes(environ) and not environ.get(environment.HANDOVER):
        return Storage(tool, *_directories(environ))
    from cli_analytics import containers

    try:
        where = Storage(tool, *_directories(environ))
    except StorageError:
        if not containers.is_deployed(environ):
            raise
        where = Storage(tool, *_directories({**environ, "HOME": containers.NOBODYS_HOME}))
    containers.arrange(where, tool, environ)
    return where


def read(path: str) -> Optional[bytes]:
    """The content of a file, None where there is none. Raises StorageError where it can't be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | _SAFELY)
    except (FileNotFoundError, NotADirectoryError) as error:
        if os.path.islink(path):  # to where something was, or is not yet mounted
            raise StorageError(path, error) from error
        return None
    except (OSError, ValueError) as error:
        raise StorageError(path, error) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
            raise StorageError(path, "is not a file of ours")
        return os.read(descriptor, MAX_BYTES)
    except OSError as error:
        raise StorageError(path, error) from error
    finally:
        os.close(descriptor)


def open_own(path: str, flags: int, mode: int = 0o600) -> int:
    """A descriptor of a file of ours, made if there is none, for this user alone. Raises OSError."""
    descriptor = os.open(path, flags | os.O_CREAT | _SAFELY | _NO_LINK, mode)
    try:
        if os.fstat(descriptor).st_mode & mode != mode:  # a umask that takes it even from its owner
            os.fchmod(descriptor, mode)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def write_new(path: str, content: bytes, mode: int = 0o600) -> None:
    """Write a file that does not exist yet, whole or not at all. Raises OSError."""
    descriptor = open_own(path, os.O_WRONLY | os.O_EXCL, mode)
    try:
        if os.write(descriptor, content) != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError:
        os.unlink(path)
        raise
    finally:
        os.close(descriptor)


def replace(path: str, content: bytes) -> None:
    """Write a file whole or not at all. Raises StorageError."""
    try:
        draft = write_draft(path, content)
        try:
            os.replace(draft, path)
        except OSError:
            os.unlink(draft)
            raise
    except OSError as error:
        raise StorageError(path, error) from error


def remove(path: str) -> None:
    """Delete a file if there is one. Raises StorageError."""
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise StorageError(path, error) from error


def make_folder(path: str) -> None:
    """Create a folder and its parents for this user alone. Raises StorageError."""
    try:
        _make_folder(path)
    except OSError as error:
        raise StorageError(path, error) from error


def lock(path: str) -> Optional[int]:
    """A descriptor that holds the lock `path` until it is closed, None while another process holds it.

    The lock belongs to the open file, so a child that inherits the descriptor keeps it, and the kernel lets go of it
    when the last holder dies, however it dies. Raises StorageError.
    """
    try:
        descriptor = open_own(path, os.O_RDWR)
    except FileNotFoundError:
        make_folder(os.path.dirname(path))
        return lock(path)
    except OSError as error:
        raise StorageError(path, error) from error
    try:
        _lock_now(descriptor)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def problem(storage: Storage, *folders: str) -> str:
    """Why nothing may be stored, in these folders or in any, or an empty string.

    Root in somebody else's home (sudo) would leave files behind that their owner can't remove; and a home that isn't
    there is not ours to make. A spool that a launcher has mounted is somebody else's, and needs no other folder.
    """
    if storage.home and not os.path.isdir(storage.home) and (folders or not storage.is_mounted):
        return f"can't store anything in {storage.config}: {storage.home} is no folder"
    spool = (os.path.join(storage.spool, "tmp"), f"{storage.spool}/new")
    own = () if storage.is_mounted else (storage.config, storage.state)
    for folder in folders or (*own, *spool):
        parent = _existing(folder)
        try:
            status = os.lstat(parent) if storage.is_ephemeral else os.stat(parent)
        except OSError as error:
            return f"can't store anything in {folder}: {error.strerror}"
        if _is_somebody_elses(status.st_uid, storage) and not (storage.is_mounted and folder in spool):
            return f"can't store anything in {folder}: it is somebody else's"
        if not stat.S_ISDIR(status.st_mode) or not os.access(parent, os.W_OK | os.X_OK):
            return f"can't store anything in {folder}: {parent} can't be written"
    return ""


def _is_somebody_elses(owner: int, storage: Storage) -> bool:
    """Whether we must not write where `owner` could read or change it. The memory we have a folder in is root's."""
    if not hasattr(os, "geteuid"):
        return False
    return owner not in (0, os.geteuid()) if storage.is_ephemeral else os.geteuid() == 0 and owner != 0


def _lock_now(descriptor: int) -> None:
    """Raises OSError while another process holds the lock."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def write_draft(path: str, content: bytes) -> str:
    """A new file beside `path`, whose name no other writer has. Raises OSError."""
    draft = f"{path}.{os.getpid()}.{os.urandom(4).hex()}"
    try:
        write_new(draft, content)
    except FileNotFoundError:
        _make_folder(os.path.dirname(path))
        write_new(draft, content)
    return draft


def _make_folder(path: str) -> None:
    """os.makedirs gives its mode to the last folder only, and a umask may take it away. Raises OSError."""
    parent = os.path.dirname(path)
    if not os.path.isdir(parent):
        _make_folder(parent)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
    else:
        if os.stat(path).st_mode & 0o700 != 0o700:
            os.chmod(path, 0o700)


def _existing(folder: str) -> str:
    while not os.path.lexists(folder) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
    return folder


def _directories(environ: Mapping[str, str]) -> tuple[str, str, str, str]:
    """The user's configuration and state directory, the machine's configuration directory, and the home they need.

    Importing platformdirs costs more than all the rest of a recording run, and on Linux and the BSDs its answer is
    three look-ups of the XDG Base Directory specification, so they are made here (and tested to be equal). Elsewhere
    it is asked.
    """
    if not sys.platform.startswith(("linux", "freebsd", "openbsd", "netbsd")) or "ANDROID_DATA" in environ:
        import platformdirs

        return platformdirs.user_config_dir(), platformdirs.user_state_dir(), platformdirs.site_config_dir(), ""
    site = _absolute(environ.get("XDG_CONFIG_DIRS", "").split(os.pathsep)[0]) or "/etc/xdg"
    config, state = (_absolute(environ.get(name, "")) for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"))
    if config and state:
        return config, state, site, ""
    home = _home(environ)
    return config or os.path.join(home, ".config"), state or os.path.join(home, ".local", "state"), site, home


def _home(environ: Mapping[str, str]) -> str:
    home = environ.get("HOME")
    if home is None:
        import pwd

        try:
            home = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError as error:
            raise StorageError("~", "this user has no home directory") from error
    if not _absolute(home):
        raise StorageError(home or "~", "is no home directory")
    return home


def _absolute(path: str) -> str:
    """`path`, or nothing where it is not absolute: the specification says to ignore such a value."""
    return path if os.path.isabs(path) else ""
