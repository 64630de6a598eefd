"""In a row: one host, run many times in blocks, with all that it leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from bench.peers import Peer
from bench.variants import Ours, Variant

ADOPTER = Path(__file__).with_name("adopter.py")
BLOCK = 10
ARRIVED = 0.99  # at least so many of a host's events, where a server answers


class Recording(Ours):
    """The instrumented host as it lives: senders come, linger and go as they do."""

    name = "instrumented"

    def waiting(self) -> int:
        """Events that were recorded and have not arrived, those dropped for want of room included."""
        spool = self.state / "spool"
        files = [*spool.glob("dropped"), *spool.glob("claimed/**/*.dropped")]
        return len(self.events()) + sum(file.stat().st_size for file in files)


class Apart(Recording):
    """The same, but the runs are so far apart that none meets the sender of the one before."""

    name = "instrumented, seconds apart"


class Sum(NamedTuple):
    """What the runs of one host come to, in milliseconds."""

    runs: int
    hosts: float
    left: float
    started: int
    bare: float  # one bare run in the same rounds

    @property
    def ratio(self) -> float:
        """All of it to bare."""
        return (self.hosts + self.left) / self.runs / self.bare


class Turns(NamedTuple):
    """When a host has its turn: in the rounds whose number `every` divides, but not before `seconds` have passed."""

    every: int = 1
    seconds: float = 0
    runs: int = BLOCK


class InARow:
    """One host and its adopter."""

    def __init__(self, variant: Variant, turns: Turns) -> None:
        self.variant = variant
        self._turns = turns
        self._due = 0.0
        self.rounds: dict[int, list[float]] = {}
        self.left: list[float] = []
        variant.prepare()
        self._adopter = subprocess.Popen(
            [sys.executable, "-I", "-S", str(ADOPTER), *variant.command(variant.script)],
            env=variant.environ(**variant.variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def has_turn(self, number: int) -> bool:
        """Whether it runs in round `number`."""
        return number % self._turns.every == 0 and time.monotonic() >= self._due

    def block(self, number: int) -> None:
        """Run it some times in a row. Raises Untrue."""
        assert self._adopter.stdin is not None
        self._due = time.monotonic() + self._turns.seconds
        self._adopter.stdin.write(f"{self._turns.runs}\n")
        self._adopter.stdin.flush()
        answer = self._answer()
        self.variant.expect(all(status == 0 for _, status in answer), "a run failed")
        self.rounds[number] = [cpu_ms for cpu_ms, _ in answer]

    def finish(self) -> None:
        """Wait until all has ended that it left behind, and check that it did what it claims. Raises Untrue."""
        assert self._adopter.stdin is not None
        self._adopter.stdin.close()
        self.left = self._answer()
        self._adopter.wait()
        self._verify(len(self.rounds) * self._turns.runs)

    def sum(self, bare: InARow) -> Sum:
        """Beside the bare runs of the same rounds."""
        hosts = [cpu_ms for block in self.rounds.values() for cpu_ms in block]
        beside = [cpu_ms for number in self.rounds for cpu_ms in bare.rounds[number]]
        return Sum(len(hosts), sum(hosts), sum(self.left), len(self.left), sum(beside) / len(beside))

    def close(self) -> None:
        """End what is left, the adopter included, which has the same home."""
        self.variant.close()
        self._adopter.wait()
        for stream in (self._adopter.stdin, self._adopter.stdout):
            if stream is not None and not stream.closed:
                stream.close()

    def _answer(self) -> list[Any]:
        assert self._adopter.stdout is not None
        line = self._adopter.stdout.readline()
        self.variant.expect(bool(line), "its adopter has ended")
        found: list[Any] = json.loads(line)
        return found

    def _verify(self, runs: int) -> None:
        """Nearly all events must have arrived: those of a sender's last moment may wait for the next one."""
        variant, requests = self.variant, self.variant.network.requests
        if isinstance(variant, Recording):
            waiting = variant.waiting()
            arrived = runs - waiting
            variant.expect(arrived >= ARRIVED * runs if variant.healthy else not arrived, f"{waiting} events wait")
            variant.expect(bool(requests) == variant.healthy, f"{requests} requests arrived")
            started = len(self.left)
            variant.expect(started == runs or not isinstance(variant, Apart), f"{started} senders in {runs} runs")
        elif isinstance(variant, Peer):
            variant.expect(not variant.healthy or requests >= ARRIVED * runs, f"{requests} of {runs} events arrived")
        else:
            variant.expect(not os.listdir(variant.home) and not self.left, "it left something behind")
