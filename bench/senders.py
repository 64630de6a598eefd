"""Senders: the processes that hosts leave behind, as variants to be weighed. Only where a server answers."""

from __future__ import annotations

import json
import os
import time
import uuid

from bench import process
from bench.network import Network
from bench.peers import Iterative
from bench.process import Run
from bench.variants import PEER_SETTLE_SECONDS, SETTLE_SECONDS, Ours, Pair, Variant

FULL_EVENTS = 1_000  # the bounds of the spool
FULL_BYTES = 1_048_576
OPTIONS = 30  # names of options in one event: as many as may leave


class Sender(Ours):
    """The sender when it has delivered all that waited, and lingers."""

    name = "sender: peak, one event delivered"
    key = "VmHWM"
    events_waiting = 1  # the host's own included
    event_bytes = 0  # of each that waited before; 0 for as many as the host's have

    def measure(self) -> Pair:
        """A bare run, and the sender that a run of ours starts."""
        self.prepare()
        bare = self.start(self.bare_script)
        run = self.start(self.script)
        self.expect(run.status == 0, f"exit status {run.status}")
        self.expect(process.wait_until(self.has_tried, seconds=SETTLE_SECONDS), "not everything was delivered")
        found = [process.memory_mib(pid, self.key) for pid in process.living(self.home)]
        self.expect(len(found) == 1, f"{len(found)} senders are alive")
        self.settle(run)
        return Pair(bare, run._replace(peak_mib=found[0]))

    def prepare(self) -> None:
        """The notice was shown; no sender; events wait, and one more will."""
        super().prepare()
        if self.events_waiting > 1:
            self._fill(self._template())
        self.remember()
        self.expect(len(self.before) == self.events_waiting - 1, f"{len(self.before)} events wait before the run")

    def _template(self) -> bytes:
        """An event as the host records it. While it takes a sender for alive it starts none."""
        lock = self.state / "sender.lock"
        lock.touch(0o600)
        self.start(self.script)
        self.expect(not process.living(self.home), "a sender was started too early")
        os.utime(lock, (0, 0))
        (name,) = self.events()
        path = self.state / "spool/new" / name
        content = path.read_bytes()
        path.unlink()
        return content

    def _fill(self, template: bytes) -> None:
        """Let events wait, named as spool.py names them. The large ones have the names of many options."""
        size = self.event_bytes or len(template)
        for number in range(self.events_waiting - 1):
            content = _event(template, size)
            name = f"{time.time_ns() // 1_000_000:013d}-{number:012x}-{len(content)}.json"
            (self.state / "spool/new" / name).write_bytes(content)


class SenderLingering(Sender):
    """What the sender holds while it lingers."""

    name = "sender: now, lingering after that"
    key = "VmRSS"


class SenderAfterBatch(Sender):
    """After one full batch."""

    name = "sender: peak, a batch of 500 events"
    events_waiting = 500


class SenderAfterFullSpool(Sender):
    """After as many events as ever wait, as large as they may then be."""

    name = "sender: peak, a full spool, 1 000 events and 1 MiB"
    events_waiting = FULL_EVENTS
    event_bytes = FULL_BYTES // FULL_EVENTS


class IterativeSender(Iterative):
    """The process that iterative-telemetry leaves behind, looked at while it lives."""

    name = "iterative-telemetry's process"

    def __init__(self, python: str, network: Network) -> None:
        super().__init__(python, network)
        self.peak_mib = 0.0

    def settle(self, run: Run) -> None:
        """It ends by itself; its peak comes when it has imported all, and waits for the answer."""
        self.peak_mib = 0.0
        process.wait_until(self._has_ended, seconds=PEER_SETTLE_SECONDS)
        super().settle(run)
        self.expect(self.peak_mib > 0, "no process was left behind")

    def measure(self) -> Pair:
        """A bare run, and the process that the run of the peer leaves behind."""
        pair = super().measure()
        return Pair(pair.bare, pair.run._replace(peak_mib=self.peak_mib))

    def _has_ended(self) -> bool:
        living = process.living(self.home)
        self.peak_mib = max([self.peak_mib, *(process.memory_mib(pid, "VmHWM") for pid in living)])
        return not living


SENDERS: tuple[type[Variant], ...] = (Sender, SenderLingering, SenderAfterBatch, SenderAfterFullSpool)
PEER_SENDERS: tuple[type[Variant], ...] = (IterativeSender,)


def _event(template: bytes, size: int) -> bytes:
    """An event with an id of its own, of `size` bytes where names of options have to fill it up."""
    event = json.loads(template)
    event["messageId"] = str(uuid.uuid4())
    content = _encoded(event)
    if len(content) < size:
        event["properties"]["options"] = _names(size - len(content))
        content = _encoded(event)
    return content


def _names(size: int) -> list[str]:
    """Names that take so many bytes, quotes and commas included."""
    shortest, longer = divmod(size - (3 * OPTIONS - 1), OPTIONS)
    return [f"--{number:02d}".ljust(shortest + (number < longer), "x") for number in range(OPTIONS)]


def _encoded(event: object) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode()
