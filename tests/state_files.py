"""State files: whatever may be in the place of a file or folder of ours, and what is to become of recording then."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

from homes import MODES, Befall, Fault, all_of, modes_count, sender_is_due
from visitor import Visitor

from cli_analytics.storage import Storage

Place = Callable[[Storage], str]

# What there is of ours, and where.
CHOICES: dict[str, Place] = {
    "the choice": lambda files: files.choice,
    "the choice for all tools": lambda files: files.user_choice,
    "the machine's choice": lambda files: files.machine_choices[0],
    "the machine's choice for all tools": lambda files: files.machine_choices[1],
}
FILES: dict[str, Place] = {
    **CHOICES,
    "the client id": lambda files: files.client_id,
    "the stamp": lambda files: files.stamp,
    "the log": lambda files: files.log,
    "the breaker": lambda files: files.breaker,
    "the notice's lock": lambda files: files.notice_lock,
    "the sender's lock": lambda files: files.sender_lock,
}
FOLDERS: dict[str, Place] = {
    "the spool": lambda files: files.spool,
    "the spool's tmp": lambda files: f"{files.spool}/tmp",
    "the spool's new": lambda files: f"{files.spool}/new",
    "the spool's claimed": lambda files: f"{files.spool}/claimed",
}
LOCKS = ("the notice's lock", "the sender's lock")

# What a file of ours may hold instead, from what it did hold.
CONTENTS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut off": lambda content: content[: len(content) // 4],
    "of bytes without a meaning": lambda _: bytes(range(256)),
    "with a byte order mark": lambda content: b"\xef\xbb\xbf" + content,
    "with CRLF": lambda content: content.replace(b"\n", b"\r\n"),
}


def gigabyte(path: Path) -> None:
    """Without a byte on the disk."""
    path.touch()
    os.truncate(path, 1 << 30)


# What may be in the place of a file or folder of ours.
THINGS: dict[str, Callable[[Path], object]] = {
    "a folder": lambda path: path.mkdir(),
    "a file of a gigabyte": gigabyte,
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to nowhere": lambda path: path.symlink_to("gone"),
    "a FIFO": lambda path: os.mkfifo(path),
    "a socket": lambda path: os.mknod(path, stat.S_IFSOCK | 0o600),
}


def holds(place: Place, change: Callable[[bytes], bytes]) -> Befall:
    def befall(user: Visitor) -> None:
        content = Path(place(user.model.files)).read_bytes()
        path = _room_for(user, place)
        path.write_bytes(change(content))

    return befall


def is_a(place: Place, make: Callable[[Path], object]) -> Befall:
    return lambda user: make(_room_for(user, place))


def unreadable(place: Place) -> Befall:
    def befall(user: Visitor) -> None:
        path = Path(place(user.files))
        if not path.exists():
            path = _room_for(user, place)
            path.touch()
        path.chmod(0)
        modes_count(user)

    return befall


def _room_for(user: Visitor, place: Place) -> Path:
    path = Path(place(user.files))
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    return path


def _records(name: str, kind: str) -> bool:
    """What can't be read counts as off; what says nothing about consent, or is not needed, does not."""
    if name in CHOICES:
        return kind in ("cut off", "with CRLF")
    if name == "the client id":
        return kind == "with CRLF"
    return name not in ("the stamp", "the spool", "the spool's tmp", "the spool's new")


def _shows(name: str, kind: str) -> bool:
    if name == "the notice's lock":
        return kind in ("a file of a gigabyte", "a FIFO")
    return _records(name, kind) or name == "the client id"


def _faults_of(name: str, place: Place) -> dict[str, Fault]:
    befalls: dict[tuple[str, str], Befall] = {}
    if name not in (*LOCKS, *FOLDERS):
        befalls.update({(f"{name} {kind}", kind): holds(place, change) for kind, change in CONTENTS.items()})
    befalls.update({(f"{kind} in place of {name}", kind): is_a(place, make) for kind, make in THINGS.items()})
    befalls[f"{name} unreadable", "unreadable"] = unreadable(place)
    if name == "the sender's lock":
        befalls = {key: all_of(sender_is_due, befall) for key, befall in befalls.items()}
    return {
        title: Fault(
            befall,
            records=_records(name, kind),
            shows=_shows(name, kind),
            keeps=(name, kind) != ("the choice", "a folder"),
            needs=MODES if kind == "unreadable" else "",
        )
        for (title, kind), befall in befalls.items()
        if not (name in FOLDERS and kind == "a folder")
    }


STATE: dict[str, Fault] = {
    title: fault for name, place in {**FILES, **FOLDERS}.items() for title, fault in _faults_of(name, place).items()
}
