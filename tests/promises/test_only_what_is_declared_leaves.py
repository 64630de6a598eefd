"""Promise 5, only what is declared leaves: secrets lie wherever a host has them, and none is in a byte that leaves.

Real hosts, real senders, a real collector; a wiretap between the two keeps every byte.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import pytest
from environment_of_a_user import UserOf, call, declared, instrument
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import Planted
from recorder import recorder
from support import user_at
from watch import needs_proc, until
from wiretap import Wiretap, wiretap
from world import HANDED, RUNS, Start, World

from cli_analytics import __version__, gate
from cli_analytics.spool import Spool

Figures = Callable[[str, object], None]
LAST = [Start("leaky", "say"), Start("exits", "exit-3", variables={"HOW": "attach"}), Start("jotter", "list")]


@contextlib.contextmanager
def destination(world: World) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """The address of a collector of the world's tools, and all that it has kept; of a recorder without the extra."""
    if importlib.util.find_spec("uvicorn") is None:
        with recorder() as server:
            yield server.url, lambda: b""
        return
    archive = world.folder / "archive"
    command = [sys.executable, "-m", "cli_analytics", "collect", "--port", "0", "--archive", str(archive)]
    manifests = [word for path in world.manifests for word in ("--manifest", str(path))]
    with subprocess.Popen([*command, *manifests], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), lambda: b"".join(map(unzipped, archive.rglob("*.gz")))
        finally:
            process.terminate()


@contextlib.contextmanager
def tapped(folder: Path, seed: int) -> Iterator[tuple[World, Wiretap, Callable[[], bytes]]]:
    world = World(folder, Planted(seed))
    with destination(world) as (url, archived), wiretap(url) as tap, contextlib.closing(world):
        world.environ["CLI_ANALYTICS_ENDPOINT"] = tap.url
        yield world, tap, archived


def unzipped(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())


def said(tap: Wiretap) -> bytes:
    """What left, as it went over the wire and as it reads."""
    keys = [base64.b64decode(request.headers["Authorization"].split()[1]) for request in tap.requests]
    return b"\n".join([tap.bytes, *(request.text.encode() for request in tap.requests), *keys])


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "a part of it": lambda text: text[: text.index(b"yz")][-9:],
    "capitals": bytes.upper,
    "backwards": lambda text: text[::-1],
    "percent-encoded": lambda text: b"".join(b"%%%02X" % byte for byte in text),
    "UTF-16": lambda text: text.decode().encode("utf-16"),
    "hexadecimal": lambda text: text.hex().upper().encode(),
    "Base64": base64.b64encode,
    "Base64 of capitals": lambda text: base64.urlsafe_b64encode(text.upper()),
    "a hash": lambda text: hashlib.sha256(text.lstrip(b"x")[:-2]).hexdigest().encode(),
}
KEYS = {"type", "event", "messageId", "anonymousId", "timestamp", "context", "properties", "request_ip"}
CONTEXT = {"ip", "library", "app", "os", "arch", "python", "cpus", "ci", "container", "sessionId"}


@pytest.mark.slow
@needs_proc
def test_no_secret_is_in_any_byte_that_leaves(tmp_path: Path, record_property: Figures) -> None:
    seed = int.from_bytes(os.urandom(4), "big")
    with tapped(tmp_path, seed) as (world, tap, archived):
        world.hold()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(world.run, RUNS))
        waiting = world.waiting()
        world.let_go()
        for start in LAST:
            world.run(start)
        until(world.is_sent)
        left, planted = said(tap), world.planted
        for place, content in {"sent": left, "archived": archived(), "logged": world.logs()}.items():
            assert planted.found(content) == {}, f"{place}, seed {seed}"
            assert world.known.found(content) or (place == "archived" and not content), f"what is declared is {place}"
        assert planted.found(world.files()) == {}, f"in our files, seed {seed}"
        on_disk = [secret for secret, place in planted.secrets.items() if place not in HANDED]
        assert [secret for secret in on_disk if secret.encode() in b"".join(waiting)] == [], "not even in the spool"
        events = [event for request in tap.requests for event in request.events]
        assert_framework_owned(events, world)
        ids = {event["messageId"] for event in events}
        expected = [event for event in map(json.loads, waiting) if event["event"] not in planted.secrets]
        assert len(expected) >= len(RUNS), "nearly every run records itself, and some record more"
        assert {event["messageId"] for event in expected} < ids
    count = f"{len(planted.secrets)} secrets in {len(RUNS) + len(LAST)} runs"
    record_property("figure", f"{count}; {len(events)} events in {len(tap.bytes)} bytes left: 0 found")


def assert_framework_owned(events: list[dict[str, Any]], world: World) -> None:
    """Whatever the caller says, these are ours."""
    for event in events:
        assert event.keys() == KEYS
        assert (event["type"], event["context"]["ip"], event["request_ip"]) == ("track", "0.0.0.0", "0.0.0.0")
        assert event["context"].keys() == CONTEXT
        assert event["context"]["app"] in [{"name": tool, "version": v} for tool, v in world.versions.items()]
        assert event["anonymousId"] in world.ids()


NAMED = """
echo "$1" > /proc/sys/kernel/hostname && mount --bind "$2" /etc/passwd && shift 2 && exec "$@"
"""


def named(host: str, passwd: object) -> list[str]:
    """What to put before a command, so that its machine and its user have names of their own."""
    return ["unshare", "--uts", "--mount", "sh", "-ec", NAMED, "sh", host, str(passwd)]


def can_be_named() -> bool:
    has_unshare = shutil.which("unshare") is not None and os.geteuid() == 0
    return has_unshare and subprocess.run([*named("x", "/etc/passwd"), "true"], capture_output=True).returncode == 0


@pytest.mark.slow
@needs_proc
@pytest.mark.skipif(not can_be_named(), reason="only root on Linux can give a process names of its own")
def test_neither_the_name_of_the_host_nor_that_of_the_user_leaves(tmp_path: Path) -> None:
    with tapped(tmp_path, seed=int.from_bytes(os.urandom(4), "big")) as (world, tap, _):
        host, user, name = (world.planted.new(place) for place in ("the host", "the user", "the user's full name"))
        passwd = tmp_path / "passwd"
        passwd.write_text(f"{user}:x:0:0:{name}:{world.home}:/bin/sh\n", encoding="utf-8")
        world.prefix = named(host, passwd)
        asked = [*world.prefix, sys.executable, "-c", "import os, pwd; print(os.uname().nodename, pwd.getpwuid(0))"]
        shown = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        assert all(secret in shown for secret in (host, user, name)), "or it would prove nothing"
        for start in LAST:
            world.run(start)
        until(world.is_sent)
        assert world.planted.found(said(tap) + world.files()) == {}
        assert len(tap.requests) >= len(LAST)


@pytest.mark.parametrize("form", [*FORMS])
def test_a_secret_is_found_in_whatever_form_it_leaves(form: str) -> None:
    planted = Planted(7)
    secret = planted.new("a place")
    planted.new("another")
    for start in range(3):
        text = b"x" * start + secret.encode() + b"yz"
        assert list(planted.found(b"before " + FORMS[form](text) + b" after")) == [f"{secret} (a place)"]
        assert planted.found(FORMS[form](b"x" * start + secret[:7].encode() + b"yz" + secret[9:].encode())) == {}


HEADERS = {
    "Accept": "*/*",
    "Authorization": "Basic bXl0b29sOg==",  # the public key of the tool, "mytool:"
    "Connection": "keep-alive",
    "Content-Encoding": "gzip",
    "Content-Type": "application/json",
    "User-Agent": f"cli-analytics/{__version__}",
    "X-IP-Policy": "remove",
}


def headers(folder: Path, **variables: str) -> dict[str, str]:
    """The headers of the request that an event leaves in, but for those that say what HTTP has to."""
    with recorder() as server, user_at(folder, server.url) as user:
        (user.home / ".netrc").write_text("machine 127.0.0.1 login ada password lovelace\n", encoding="ascii")
        (user.home / ".netrc").chmod(0o600)
        user.settle()
        user.run("hello", SEND_ANONYMOUS_USAGE_INFO="true", **variables)
        assert server.wait(events=1)
        found = dict(server.requests[0].headers)
    assert found.pop("Content-Length").isdigit()
    assert found.pop("Host") == server.url.partition("//")[2]
    return found


def test_the_request_says_nothing_of_its_user(tmp_path: Path) -> None:
    told = {
        "LANG": "de_DE.UTF-8",
        "LC_ALL": "de_DE.UTF-8",
        "http_proxy": "http://ada:lovelace@127.0.0.1:9",
        "TZ": "CET",
    }
    found = headers(tmp_path / "one")
    assert found == {**HEADERS, "Accept-Encoding": found["Accept-Encoding"]}
    assert headers(tmp_path / "two", **told) == found


def test_the_request_does_not_say_which_packages_its_user_has(tmp_path: Path) -> None:
    (tmp_path / "brotli.py").write_text("error = ValueError\nclass Decompressor: pass\n", encoding="ascii")
    found = headers(tmp_path / "user", PYTHONPATH=str(tmp_path))
    assert "br" not in found.get("Accept-Encoding", "")


SECRET = Planted(11)
TYPED = SECRET.new("typed")
WORDS = ["db", "migrate", "export", "steps", "one", "--format", "-f", "csv", "--config", "--rows", "-v", "--", "-", "="]
SHAPES = [
    "{}",
    "--{}",
    "-{}",
    "--format={}",
    "-f{}",
    "--{}={}",
    "--config={}",
    "--rows={}",
    "/{}",
    "{} {}",
    "-v{}",
    "é{}",
]
lines = st.lists(
    st.sampled_from(WORDS) | st.sampled_from(SHAPES).map(lambda shape: shape.replace("{}", TYPED)), max_size=7
)


def a_tree() -> click.Group:
    """Commands, groups, a chain, and parameters of every kind."""
    options = [
        click.Option(["--format", "-f"], type=click.Choice(["csv", "json"])),
        click.Option(["--rows"], type=int),
        click.Option(["--verbose", "-v"], count=True),
        click.Argument(["words"], nargs=-1),
    ]
    callback = lambda **_: None  # noqa: E731
    one = click.Command("one", callback=callback, params=options)
    export = click.Command("export", callback=callback, params=[*options[:3], click.Argument(["path"])])
    groups = [click.Group("db", commands=[click.Command("migrate", callback=callback, params=options)])]
    groups += [click.Group("steps", commands=[one], chain=True)]
    return click.Group("tool", commands=[*groups, export], params=[click.Option(["--config"])])


@pytest.fixture(scope="module")
def typist(tmp_path_factory: pytest.TempPathFactory) -> UserOf:
    return UserOf(tmp_path_factory.mktemp("typist"))


@pytest.mark.slow
@settings(deadline=None, max_examples=150)
@given(words=lines)
def test_whatever_is_typed_is_not_even_kept_on_disk(typist: UserOf, words: list[str]) -> None:
    tree = a_tree()
    instrument(typist).attach(tree)
    call(tree, *words)
    waiting = typist.waiting()
    assert SECRET.found(b"\n".join(waiting)) == {}
    for event in typist.events():
        found = gate.check(event, declared().events)
        assert found.event == event
    Spool(typist.where.spool).clear()


def test_what_is_typed_is_recorded_at_all(typist: UserOf) -> None:
    """Without which the test above would prove nothing."""
    tree = a_tree()
    instrument(typist).attach(tree)
    for line in (f"export {TYPED}", f"db {TYPED}", f"--{TYPED}", f"steps one {TYPED}", f"export --rows={TYPED} x"):
        call(tree, *line.split())
    assert typist.commands() == ["db <unknown>", "export", "export", "steps one", "tool"]
    Spool(typist.where.spool).clear()
