"""Each way of starting a container, with each word on usage data, in each kind of container, to each end.

Not all products: each value meets each value of every other axis in some case, and every case is held to all promises.
"""

from __future__ import annotations

import re
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import containers
import image
import pairwise
import pytest
from bridge import Bridged, bridged
from containers import YES
from launching import NOTICE, Launching, launching
from support import read_terminal
from watch import listing, until

pytestmark = [pytest.mark.slow, image.needs_engine]

KINDS: dict[str, tuple[str, ...]] = {
    "root": (),
    "an arbitrary user": ("--user", "12345:0"),
    "a read-only file system": ("--read-only",),
    "no network": ("--network", "none"),
    "no home": ("--env", "HOME="),
}
ENDS = {"exit 0": 0, "exit 1": 1, "exit 42": 42, "exit 137": 137, "stopped": 137, "killed": 137}
AXES = {
    "start": ("launcher", "bare"),
    "word": ("on", "off by variable", "off by choice", "never told"),
    "kind": tuple(KINDS),
    "terminal": ("no terminal", "a terminal"),
    "init": ("", "--init"),
    "end": tuple(ENDS),
}
CASES = pairwise.cases(AXES)
LINE = re.compile(r"probe sends pseudonymous usage data to [^\n]*\n")
WITH_A_HOME_TO_LIVE_IN = ("root", "no network")  # where a person at a container's own terminal can be told


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridged]:
    with bridged(tmp_path_factory.mktemp("bridge")) as running:
        yield running


@pytest.fixture
def somebody(tmp_path: Path, server: Bridged) -> Iterator[Launching]:
    with launching(tmp_path / "somebody", server) as one:
        yield one


class Trial:
    """One case: what is typed, and what has to come of it."""

    def __init__(self, case: dict[str, str], somebody: Launching) -> None:
        self.case, self.somebody = case, somebody
        self.is_launched, self.is_on = case["start"] == "launcher", case["word"] == "on"
        self.is_at_terminal, self.ends_itself = case["terminal"] == "a terminal", case["end"].startswith("exit")
        self.name = f"cli-analytics-test-{uuid.uuid4().hex[:12]}"
        self.environ = {"SEND_ANONYMOUS_USAGE_INFO": "false"} if case["word"] == "off by variable" else {}

    @property
    def status(self) -> int:
        return 143 if self.case["end"] == "stopped" and self.case["init"] else ENDS[self.case["end"]]

    @property
    def is_told_now(self) -> bool:
        can_be = self.is_launched or self.case["kind"] in WITH_A_HOME_TO_LIVE_IN
        return self.case["word"] == "never told" and self.is_at_terminal and can_be

    @property
    def commands(self) -> list[str]:
        """The commands that are recorded, and can arrive."""
        inside = ["exit"] if self.ends_itself and (self.is_launched or self.case["kind"] != "no network") else []
        return [*(["deploy"] if self.is_launched else []), *inside] if self.is_on else []

    def words(self) -> list[str]:
        arguments = self.case["end"].split() if self.ends_itself else ["wait"]
        options = [*KINDS[self.case["kind"]], *self.case["init"].split()]
        if self.is_launched:
            made = self.somebody.command(*arguments, options=options)
            return [*made[:3], f"--name={self.name}", *made[3:]]
        if self.case["word"] == "off by choice":
            options += ["--volume", f"{self.somebody.home / '.config'}:/etc/xdg:ro"]
        typed = ("--interactive", "--tty") if self.is_at_terminal else ()
        environ = YES if self.is_on else self.environ
        given = ("--name", self.name, *typed, *self.somebody.inside, *options)
        return containers.command(image.probe(), *arguments, options=given, environ=environ)

    def end(self) -> None:
        """End the container from outside, once it runs."""
        if not self.ends_itself:
            until(lambda: "waiting" in image.docker("logs", self.name, check=False).stdout)
            image.docker(*(("kill",) if self.case["end"] == "killed" else ("stop", "--time", "1")), self.name)

    def run(self) -> tuple[int, str, str]:
        if self.is_at_terminal:
            ours, process = self.somebody.open_terminal(self.words(), self.environ)
            self.end()
            shown = read_terminal(ours)
            return process.wait(60), shown, shown
        running: subprocess.Popen[bytes] = self.somebody.start(self.words(), self.environ)
        self.end()
        out, err = running.communicate(timeout=60)
        return running.returncode, out.decode(), err.decode()


@pytest.mark.parametrize("case", CASES, ids=[", ".join(filter(None, case.values())) for case in CASES])
def test_every_promise_holds_for(case: dict[str, str], somebody: Launching, server: Bridged) -> None:
    trial = Trial(case, somebody)
    if trial.is_on:
        somebody.inform()
    if case["word"] == "off by choice":
        somebody.say_no()
    before = listing(somebody.home)
    status, out, err = trial.run()
    assert status == trial.status, err
    assert ("out\n" if trial.ends_itself else "waiting\n") in out
    assert ("err\n" in err) == trial.ends_itself
    assert err.count(NOTICE) == trial.is_told_now
    assert len(LINE.findall(err)) == (trial.is_on and not trial.is_launched and trial.ends_itself)
    if not trial.is_at_terminal:
        assert LINE.sub("", err) == ("err\n" if trial.ends_itself else "")
    assert image.docker("ps", "--all", "--quiet", "--filter", f"name={trial.name}").stdout == ""
    events = server.wait(len(trial.commands), seconds=20 if trial.is_launched else 1)
    somebody.end()
    if not trial.is_on:
        assert server.recorder.requests == []
        assert trial.is_told_now or listing(somebody.home) == before
    elif trial.is_launched:
        _check_handed_over(trial, events)
    else:
        assert [event["context"]["ephemeral"] for event in events] == [True] * len(events) <= [True]


def _check_handed_over(trial: Trial, events: list[dict[str, Any]]) -> None:
    assert sorted(event["properties"]["command"] for event in events) == trial.commands
    assert {event["properties"]["exit_code"] for event in events} == {trial.status}
    [client_id] = {event["anonymousId"] for event in events}
    config = trial.somebody.home / ".config" / "probe" / "analytics"
    assert (config / "client-id").read_text(encoding="ascii").strip() == client_id
    assert not any("ephemeral" in event["context"] for event in events)
    assert [path for path in trial.somebody.spool.rglob("*") if path.is_file()] == []


def test_the_cases_hold_every_pair_of_values() -> None:
    for first in AXES:
        for second in AXES:
            found = {(case[first], case[second]) for case in CASES}
            assert first == second or len(found) == len(AXES[first]) * len(AXES[second])
