"""Resolver: a name server on loopback, and processes that ask it and nobody else.

They live in a mount namespace in which /etc/resolv.conf names our server, so it takes Linux, root and `unshare`.
"""

from __future__ import annotations

import contextlib
import functools
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Optional

import pytest
from network import POLL_SECONDS

IPV4 = 1  # the type of a record that holds an address
NO_SUCH_NAME = 3
# Longer than any sender may live: five attempts of thirty seconds, the most that glibc grants.
PATIENT = "options timeout:30 attempts:5\n"
ENTER = 'mount --bind "$1" /etc/resolv.conf && mount --bind "$2" /etc/nsswitch.conf && shift 2 && exec "$@"'


@functools.lru_cache(maxsize=1)
def can_enter() -> bool:
    """Whether processes can have a name server of their own here."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0 or not shutil.which("unshare"):
        return False
    script = "mount --bind /dev/null /etc/resolv.conf && mount --bind /dev/null /etc/nsswitch.conf"
    return subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True).returncode == 0


needs_resolver = pytest.mark.skipif(
    not can_enter(), reason="needs root and a mount namespace of its own, to have a name server of its own"
)


class Resolver:
    """Says that a name has the address that `names` gives it, that any other does not exist, or nothing at all."""

    def __init__(self, names: Optional[Mapping[str, str]] = None, *, silent: bool = False) -> None:
        self.names = names or {}
        self.silent = silent
        self.asked: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(POLL_SECONDS)  # a call that waits would not hear that it is closed
        self.address = f"127.{random.randint(64, 250)}.{random.randint(0, 250)}.{random.randint(2, 250)}"
        try:
            self._socket.bind((self.address, 53))
        except OSError as error:
            self._socket.close()
            pytest.skip(f"port 53 is taken: {error}")
        threading.Thread(target=self._serve, daemon=True).start()

    def enter(self, folder: Path) -> list[str]:
        """What a command is to be preceded by, so that it asks this server."""
        configuration, order = folder / "resolv.conf", folder / "nsswitch.conf"
        configuration.write_text(f"nameserver {self.address}\n{PATIENT}", encoding="ascii")
        order.write_text("hosts: files dns\n", encoding="ascii")
        return ["unshare", "-m", "sh", "-c", ENTER, "sh", str(configuration), str(order)]

    def close(self) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                query, peer = self._socket.recvfrom(4096)
            except socket.timeout:
                continue
            except OSError:
                return
            name, kind, question = _question(query)
            self.asked.append(name)
            if not self.silent:
                self._socket.sendto(_answer(query, question, self.names.get(name), kind), peer)


@contextlib.contextmanager
def resolver(names: Optional[Mapping[str, str]] = None, *, silent: bool = False) -> Iterator[Resolver]:
    server = Resolver(names, silent=silent)
    try:
        yield server
    finally:
        server.close()


def _question(query: bytes) -> tuple[str, int, bytes]:
    """The name that is asked for, the type of record, and the question byte for byte (RFC 1035, section 4.1.2)."""
    labels, position = [], 12
    while query[position]:
        labels.append(query[position + 1 : position + 1 + query[position]].decode())
        position += 1 + query[position]
    return ".".join(labels).lower(), query[position + 2], query[12 : position + 5]


def _answer(query: bytes, question: bytes, address: Optional[str], kind: int) -> bytes:
    has_record = address is not None and kind == IPV4
    head = query[:2] + struct.pack("!HHHHH", 0x8180 | (0 if address else NO_SUCH_NAME), 1, has_record, 0, 0)
    if address is None or not has_record:
        return head + question
    return head + question + b"\xc0\x0c" + struct.pack("!HHIH", IPV4, 1, 60, 4) + socket.inet_aton(address)
