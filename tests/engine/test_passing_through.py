"""What passes through a container: exit status, signals, stdin and the terminal, with us as without."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import image
import pytest
from containers import YES, Container, on_terminal, run, started

pytestmark = [pytest.mark.slow, image.needs_engine]

BARE = {"PROBE_IS_BARE": "1"}
OFF = {"SEND_ANONYMOUS_USAGE_INFO": "false"}
KINDS = {"off": OFF, "never told": {}, "on": YES}
NO_NETWORK = ("--network", "none")
Result = TypeVar("Result")
LINE = re.compile(rb"probe sends pseudonymous usage data to [^\r\n]*\r?\n")

# How a container is ended from outside, and with which status it ends then.
ENDS: dict[str, tuple[Callable[[Container], object], tuple[str, ...], tuple[str, ...], int]] = {
    "stopped": (lambda one: image.docker("stop", "--time", "1", one.id), (), (), 137),
    "stopped, and it listens": (lambda one: image.docker("stop", one.id), ("--politely",), (), 3),
    "stopped below --init": (lambda one: image.docker("stop", one.id), (), ("--init",), 143),
    "interrupted": (lambda one: image.docker("kill", "--signal", "INT", one.id), (), (), 1),
    "interrupted, and it listens": (lambda one: image.docker("kill", "-s", "INT", one.id), ("--politely",), (), 3),
    "killed": (lambda one: image.docker("kill", one.id), (), (), 137),
}


@pytest.fixture(scope="module")
def probe() -> str:
    return image.probe()


@pytest.mark.parametrize("arguments", ["exit 0", "exit 1", "exit 42", "exit 137", "fail", "mistyped"])
def test_status_and_output_are_those_without_us(probe: str, arguments: str) -> None:
    words = arguments.split()
    bare, *ours = _each(lambda environ: run(probe, *words, options=NO_NETWORK, environ=environ))
    for kind, ended in zip(KINDS, ours):
        assert (ended.status, ended.stdout, LINE.sub(b"", ended.stderr)) == (bare.status, bare.stdout, bare.stderr)
        assert len(LINE.findall(ended.stderr)) == (kind == "on")


@pytest.mark.parametrize("kind", KINDS)
def test_stdin_is_the_tools(probe: str, kind: str) -> None:
    typed = bytes(range(256)) * 1024
    ended = run(probe, "copy", options=("--interactive", *NO_NETWORK), environ=KINDS[kind], stdin=typed)
    assert (ended.status, ended.stdout) == (0, typed)
    assert LINE.sub(b"", ended.stderr) == b"reading\ncopied\n"


@pytest.mark.parametrize("kind", ["off", "on"])
def test_a_terminal_is_the_tools(probe: str, kind: str) -> None:
    for typed, words in (("one\ntwo\n\x04", "copy"), ("", "terminals"), ("", "exit 42")):
        bare = on_terminal(probe, *words.split(), options=NO_NETWORK, environ=BARE, typed=typed)
        ours = on_terminal(probe, *words.split(), options=NO_NETWORK, environ=KINDS[kind], typed=typed)
        assert ours.status == bare.status
        assert LINE.sub(b"", ours.shown.encode()) == bare.shown.encode()


@pytest.mark.parametrize("how", ENDS)
def test_it_ends_as_it_would_without_us_when_it_is(probe: str, how: str) -> None:
    end, arguments, options, status = ENDS[how]

    def once(environ: Mapping[str, str]) -> tuple[int, str, bytes]:
        variables = [word for name, value in environ.items() for word in ("--env", f"{name}={value}")]
        with started(probe, "wait", *arguments, options=(*NO_NETWORK, *options, *variables)) as container:
            container.says("waiting")
            end(container)
            ended, logs = container.wait(), container.logs()
        return ended, logs.stdout, LINE.sub(b"", logs.stderr.encode())

    bare, *ours = _each(once)
    assert bare[0] == status
    assert ours == [bare] * len(KINDS)


def _each(act: Callable[[Mapping[str, str]], Result]) -> list[Result]:
    """What comes of it without us, and with us in each of the ways, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(act, (BARE, *KINDS.values())))
