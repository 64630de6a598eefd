"""Faults: what can go wrong between a sender and its server, and what is to become of the events then.

`work` is a run of a host whose words, status and complaints are compared with those of the same host without us.
"""

from __future__ import annotations

import functools
import gzip
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from email.utils import formatdate
from pathlib import Path
from typing import Any, NamedTuple

import breakers
from network import Faulty
from support import User
from tls import Authority, self_signed
from watch import until

from cli_analytics import log
from cli_analytics.delivery import DELIVERED, REJECTED, RETRY

DAY = 86_400
MEGABYTE = 1_000_000
ENDLESS: dict[str, Any] = {"chunk": b"x" * 65_536, "limit": 1000 * MEGABYTE}  # a body of a gigabyte
BOMB = gzip.compress(bytes(10 * MEGABYTE)) * 100  # a megabyte that unpacks to a gigabyte

HOST = """\
import logging, os, sys, threading
logging.basicConfig(level=logging.DEBUG)  # all of it, to stderr
sys.unraisablehook = lambda hook: print("UNRAISABLE", hook, file=sys.stderr)
threading.excepthook = lambda hook: print("EXCEPTION IN A THREAD", hook, file=sys.stderr)
import click
from cli_analytics import Analytics  # ours
from pathlib import Path  # ours
analytics = Analytics("mytool", version="1.2.3", manifest=Path(__file__).with_name("analytics.toml"))  # ours

@click.command()
def work():
    logging.getLogger("mytool").debug("words of the host's own")
    click.echo("result")
    click.echo("complaint", err=True)
    sys.exit(3)

analytics.attach(work)  # ours
work(prog_name="mytool")
"""

Ended = tuple[int, str, str]


class Fault(NamedTuple):
    """A server with a fault, the outcome that is to be logged, and the pause after it."""

    server: Callable[[Path], Faulty]
    delivery: str = RETRY
    status: int = 0
    problem: str = ""
    pause: int = 60


def no_answer(head: bytes = b"", **how: Any) -> Fault:
    return Fault(lambda _: Faulty(head, **how), problem="ConnectionError")


def answer(
    status: int, headers: str = "", body: bytes = b"", *, delivery: str = RETRY, pause: int = 60, **how: Any
) -> Fault:
    return Fault(lambda _: Faulty(head(status, headers) + body, **how), delivery, status, pause=pause)


def head(status: int, headers: str) -> bytes:
    return f"HTTP/1.1 {status} So\r\n{headers}\r\n".encode()


def wish_for_date(seconds: int) -> bytes:
    return head(429, wish(formatdate(time.time() + seconds, usegmt=True)))


def untrusted(server: Callable[[Path], Any], **how: Any) -> Fault:
    return Fault(lambda folder: Faulty(b"HTTP/1.1 200 OK\r\n\r\n", context=server(folder), **how), problem="SSLError")


def wish(value: str) -> str:
    return f"Retry-After: {value}\r\n"


FAULTS = {
    "it hangs up": no_answer(),
    "it hangs up at once": no_answer(reads=False),
    "it resets the connection": no_answer(resets=True),
    "a status line cut off": no_answer(b"HTTP/1.1 2"),
    "a status line that is none": no_answer(b"HTTP/1.1 abc OK\r\n\r\n"),
    "another protocol": no_answer(b"220 mail.example.org ESMTP\r\n"),
    "bytes without a meaning": no_answer(bytes(range(256)) * 10),
    "headers without end": no_answer(b"HTTP/1.1 200 OK\r\n", chunk=b"X: y\r\n" * 1000),
    "a header without end": no_answer(b"HTTP/1.1 200 OK\r\nX: ", chunk=b"x" * 65_536),
    "an answer cut off after its status": answer(200, "Content-Length: 99\r\n", delivery=DELIVERED, body=b"{"),
    "an answer that only announces one": answer(103),
    "a self-signed certificate": untrusted(self_signed),
    "a certificate that is over": untrusted(lambda folder: Authority(folder).vouch(is_over=True)),
    "a certificate of somebody else": untrusted(lambda folder: Authority(folder).vouch("example.org")),
    "no certificate but plain text": untrusted(lambda _: None, scheme="https", reads=False, hangs=True),
    "400": answer(400, delivery=REJECTED),
    "401": answer(401),
    "403": answer(403),
    "404": answer(404),
    "410": answer(410, delivery=REJECTED, pause=0),
    "413": answer(413, delivery=REJECTED),
    "429": answer(429),
    "429, seconds": answer(429, wish("7200"), pause=7200),
    "429, fewer seconds than our own pause": answer(429, wish("5")),
    "429, a date": Fault(lambda _: Faulty(wish_for_date(7200)), status=429, pause=7200),
    "429, a date long ago": Fault(lambda _: Faulty(wish_for_date(-7200)), status=429),
    "429, less than nothing": answer(429, wish("-7200")),
    "429, 30 000 years": answer(429, wish("1000000000000"), pause=DAY),
    "429, a number of 5 000 digits": answer(429, wish("9" * 5000), pause=DAY),
    "429, words": answer(429, wish("tomorrow, maybe")),
    "500": answer(500),
    "503, seconds": answer(503, wish("7200"), pause=7200),
    "200 and a gigabyte": answer(200, delivery=DELIVERED, **ENDLESS),
    "302 and a gigabyte": answer(302, "Location: https://example.org/\r\n", **ENDLESS),
    "503 and a gigabyte": answer(503, "Content-Length: 1000000000\r\n", **ENDLESS),
    "302 and a bomb": answer(302, "Location: /\r\nContent-Encoding: gzip\r\n", body=BOMB),
    "500 and a bomb": answer(500, "Content-Encoding: gzip\r\n", body=BOMB),
    "a redirect to no address": answer(308, "Location: http://[::1\r\n"),
}


def inform(user: User) -> None:
    """As if the notice had been shown; it is, but only once, to somebody else with the same manifest."""
    path = Path(user.where.stamp)
    path.parent.mkdir(parents=True)
    path.write_bytes(_stamp())


@functools.lru_cache(maxsize=1)
def _stamp() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        user = User(Path(folder))
        user.inform()
        return Path(user.where.stamp).read_bytes()


def run(user: User, prefix: Sequence[str] = (), script: str = HOST) -> Ended:
    """A run of the host where every warning is an error and everything is logged."""
    user.host.write_text(script, encoding="utf-8")
    loud = {"PYTHONWARNINGS": "error", "PYTHONDEVMODE": "1"}
    done = subprocess.run(
        [*prefix, *user.command],
        env={**user.environ, **loud},
        cwd=user.folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


@functools.lru_cache(maxsize=1)
def bare() -> Ended:
    """The same run of the same host without us."""
    script = "".join(line for line in HOST.splitlines(keepends=True) if "ours" not in line and "analytics" not in line)
    with tempfile.TemporaryDirectory() as folder:
        return run(User(Path(folder)), script=script)


def has_ended(user: User) -> bool:
    """Whether a sender has begun to send, and is gone."""
    return os.path.exists(user.where.breaker) and not user.senders()


def wait_for_end(user: User) -> int:
    """Until the sender is gone, or has nothing to do; return the most memory that it was seen to take, in bytes."""
    most = 0

    def is_over() -> bool:
        nonlocal most
        most = max([most, *map(_memory, user.senders())])
        is_done = not user.claimed() and not user.waiting() and bool(log.read(user.where))
        return has_ended(user) or (is_done and not os.path.exists(user.where.breaker))

    until(is_over)
    return most


def pause(user: User) -> float:
    """How long the breaker lets pass from now on."""
    return breakers.only(user.where).not_before - time.time() if os.path.exists(user.where.breaker) else 0.0


def _memory(pid: int) -> int:
    """The most memory that a process ever had (Linux), in bytes."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0)
