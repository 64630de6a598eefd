"""Homes: what can be wrong with a user's home and surroundings, and what is to become of recording then."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Optional

from support import MANIFEST
from visitor import Visitor

import cli_analytics

NOBODY = 1_000_930_000  # as OpenShift numbers its users: in no passwd
SOMEBODY = 1_000

Befall = Callable[[Visitor], object]


class Fault(NamedTuple):
    """What happens to a user, and what comes of it. `needs` is what this machine, and who tests, must be able to do."""

    befall: Befall
    records: bool = True  # a run of who was told
    shows: bool = True  # the notice, in the first run of who was not
    keeps: bool = True  # the choice of who says `off`
    tells: bool = True  # of status: what it says can be read, and it can know
    needs: str = ""


ROOT, MOUNTS, MODES = "another user", "a mount namespace", "root without its privileges"
_NEEDS = {
    ROOT: ("setpriv", f"--reuid={NOBODY}", "--clear-groups", "--inh-caps=+dac_read_search", "true"),
    MOUNTS: ("unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"),
    MODES: ("setpriv", "--bounding-set=-dac_override", "true"),
}


@functools.cache
def can(need: str) -> bool:
    """Whether such a fault can be made here."""
    if not need or (need == MODES and os.geteuid() != 0):
        return True
    is_possible = os.geteuid() == 0 and shutil.which(_NEEDS[need][0]) is not None
    return is_possible and subprocess.run(_NEEDS[need], capture_output=True).returncode == 0


def all_of(*happenings: Befall) -> Befall:
    return lambda user: [happening(user) for happening in happenings]


def variables(**changes: Optional[str]) -> Befall:
    return lambda user: user.changes.update(changes)


def in_folder(name: str, path: str) -> Befall:
    """A variable whose value is a path in the user's folder."""
    return lambda user: user.changes.update({name: str(user.folder / path)})


def flags(*given: str) -> Befall:
    return lambda user: user.flags.extend(given)


def shell(script: str) -> Befall:
    """A shell does this first; $0 is the user's folder."""
    return lambda user: user.prefix.extend(["sh", "-ec", f'{script} exec "$@"', str(user.folder)])


def mounts(script: str) -> Befall:
    """The same in a mount namespace of its own for each run."""
    return lambda user: user.prefix.extend(["unshare", "-m", "sh", "-ec", f'{script} exec "$@"', str(user.folder)])


def modes_count(user: Visitor) -> None:
    """Root is stopped by the modes of files, as anybody else is."""
    if os.geteuid() == 0:
        user.prefix += ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


def nobody(user: Visitor) -> None:
    """A user without an account, who may read all: the interpreter may lie where only root can read."""
    may = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    user.prefix += ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *may]
    user.folder.chmod(0o755)


def owned_by(owner: int) -> Befall:
    def befall(user: Visitor) -> None:
        for path in (user.home, *user.home.rglob("*")):
            os.chown(path, owner, owner)

    return befall


def read_only(name: str) -> Befall:
    def befall(user: Visitor) -> None:
        folder = user.folder / name
        folder.mkdir(exist_ok=True)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o500 if path.is_dir() else 0o400)
        modes_count(user)

    return befall


def read_only_mount(path: str) -> Befall:
    return mounts(f'mount --bind "{path}" "{path}"; mount -o remount,ro,bind "{path}";')


def account(user: Visitor) -> None:
    """The home is where passwd says that it is."""
    (user.folder / "passwd").write_text(f"root:x:0:0::{user.home}:/bin/sh\n", encoding="utf-8")
    mounts('mount --bind "$0/passwd" /etc/passwd;')(user)


def called(name: bytes) -> Befall:
    """The home has that name."""

    def befall(user: Visitor) -> None:
        home = user.folder / os.fsdecode(name)
        user.home.rename(home)
        user.changes["HOME"] = str(home)

    return befall


def no_config(user: Visitor) -> None:
    shutil.rmtree(user.home / ".config", ignore_errors=True)


def link_to_nowhere(name: str) -> Befall:
    def befall(user: Visitor) -> None:
        shutil.rmtree(user.home / name, ignore_errors=True)
        (user.home / name).symlink_to("gone")

    return befall


def one_process(user: Visitor) -> None:
    user.prefix += ["prlimit", "--nproc=1"]


def sender_is_due(user: Visitor) -> None:
    Path(user.files.breaker).unlink(missing_ok=True)


def _off(befall: Befall, needs: str = "", *, tells: bool = True) -> Fault:
    """Nothing can be kept, so nothing is recorded and no notice shown."""
    return Fault(befall, records=False, shows=False, keeps=False, tells=tells, needs=needs)


def _stateless(befall: Befall, needs: str = "") -> Fault:
    """The same, but for a choice."""
    return Fault(befall, records=False, shows=False, needs=needs)


_ASCII = variables(LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0")
_PACKAGE = os.path.dirname(cli_analytics.__file__)
_CLOSED_PIPE = "import os,sys;r,w=os.pipe();os.close(r);os.dup2(w,1);os.execvp(sys.argv[1],sys.argv[1:])"

SURROUNDINGS: dict[str, Fault] = {
    "HOME unset": Fault(all_of(account, variables(HOME=None)), needs=MOUNTS),
    "HOME unset, and no account": _off(all_of(nobody, variables(HOME=None)), ROOT),
    "HOME empty": _off(variables(HOME="")),
    "HOME relative": _off(variables(HOME="home")),
    "HOME=/": _off(all_of(nobody, variables(HOME="/")), ROOT),
    "HOME missing": _off(in_folder("HOME", "missing")),
    "HOME missing, and where it would be": _off(in_folder("HOME", "missing/home")),
    "HOME a file": _off(in_folder("HOME", "tool/host.py")),
    "HOME a device": _off(variables(HOME=os.devnull)),
    "HOME where nobody can write": _off(variables(HOME="/proc")),
    "HOME read-only": _off(read_only("home"), MODES),
    "HOME on a read-only file system": _off(read_only_mount("$0/home"), MOUNTS),
    "HOME somebody else's": _off(nobody, ROOT),
    "HOME somebody else's, by sudo": _off(
        all_of(owned_by(SOMEBODY), variables(SUDO_UID=str(SOMEBODY), SUDO_USER="ada")), ROOT
    ),
    "a uid without an account": Fault(all_of(nobody, owned_by(NOBODY)), needs=ROOT),
    "no variables": Fault(all_of(account, lambda user: user.prefix.extend(["env", "-i"])), needs=MOUNTS),
    "~/.config leads nowhere": _off(link_to_nowhere(".config")),
    "~/.local leads nowhere": _stateless(link_to_nowhere(".local")),
    "XDG_CONFIG_HOME relative": Fault(variables(XDG_CONFIG_HOME="config")),
    "XDG_STATE_HOME relative": Fault(variables(XDG_STATE_HOME="state")),
    "XDG variables empty": Fault(variables(XDG_CONFIG_HOME="", XDG_STATE_HOME="", XDG_CONFIG_DIRS="")),
    "XDG_CONFIG_HOME missing": Fault(all_of(no_config, in_folder("XDG_CONFIG_HOME", "missing/config"))),
    "XDG_STATE_HOME missing": Fault(in_folder("XDG_STATE_HOME", "missing/state"), records=False),
    "XDG_CONFIG_HOME unwritable": _off(all_of(read_only("other"), in_folder("XDG_CONFIG_HOME", "other")), MODES),
    "XDG_STATE_HOME unwritable": _stateless(all_of(read_only("other"), in_folder("XDG_STATE_HOME", "other")), MODES),
    "XDG_STATE_HOME a file": _stateless(in_folder("XDG_STATE_HOME", "tool/host.py")),
    "a name that is not ASCII": Fault(all_of(called("hömé".encode()), _ASCII)),
    "a name that is no text": Fault(all_of(called(b"h\xff\xfe"), _ASCII)),
    "a name that is no text, in UTF-8": Fault(all_of(called(b"h\xff\xfe"), variables(PYTHONIOENCODING="utf-8:strict"))),
    "stdin closed": Fault(shell("exec <&-;")),
    "stdout closed": Fault(shell("exec >&-;"), tells=False),
    "stderr closed": Fault(shell("exec 2>&-;"), shows=False),
    "all three closed": Fault(shell("exec <&- >&- 2>&-;"), shows=False, tells=False),
    "stdout full": Fault(shell("exec >/dev/full;"), tells=False),
    "stdout without a reader": Fault(
        lambda user: user.prefix.extend(["python3", "-S", "-c", _CLOSED_PIPE]), tells=False
    ),
    "umask 077": Fault(shell("umask 077;")),
    "umask 000": Fault(shell("umask 000;")),
    "umask 777": Fault(all_of(modes_count, shell("umask 777;")), needs=MODES),
    "python -O": Fault(flags("-O")),
    "python -OO": Fault(flags("-OO")),
    "python -I": Fault(flags("-I")),
    "python -X utf8": Fault(flags("-X", "utf8")),
    "python -X warn_default_encoding": Fault(flags("-X", "warn_default_encoding")),
    "PYTHONDEVMODE": Fault(variables(PYTHONDEVMODE="1")),
    "PYTHONDONTWRITEBYTECODE": Fault(variables(PYTHONDONTWRITEBYTECODE="1")),
    "a read-only installation": Fault(read_only_mount(_PACKAGE), needs=MOUNTS),
    "a working directory that is gone": Fault(shell('mkdir "$0/gone"; cd "$0/gone"; rmdir "$0/gone";')),
    "a host that goes elsewhere": Fault(variables(ELSEWHERE="/")),
    "no descriptor left": Fault(variables(DESCRIPTORS="3"), records=False, shows=False, tells=False),
    "one descriptor left": Fault(variables(DESCRIPTORS="4"), shows=False),
    "two descriptors left": Fault(all_of(sender_is_due, variables(DESCRIPTORS="5"))),
    "few descriptors for the whole run": Fault(all_of(sender_is_due, shell("ulimit -n 8;"))),
    "no file may grow": _off(shell("ulimit -f 0;"), tells=False),
    "no process may be started": Fault(all_of(sender_is_due, nobody, owned_by(NOBODY), one_process), needs=ROOT),
    "no manifest": _stateless(lambda user: user.manifest.unlink()),
    "a broken manifest": _stateless(lambda user: user.manifest.write_text("schema = 2", encoding="utf-8")),
    "another tool's manifest": _stateless(
        lambda user: user.manifest.write_text(MANIFEST.replace('"mytool"', '"other"'), encoding="utf-8")
    ),
}
