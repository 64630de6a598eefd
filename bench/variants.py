"""Variants: the ways to run `hello` that are compared. Each prepares its state and verifies what it claims.

prepare      not timed: the state that the variant is about
run          timed: the bare host, and right after it the variant
verify       did it record, show the notice, start a sender, leave nothing?
settle       not timed: what was started in the background does its work, then it is ended
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from bench import process
from bench.network import HEALTHY, Network
from bench.process import Run

HOSTS = Path(__file__).with_name("hosts")
SETTLE_SECONDS = 6.0
PEER_SETTLE_SECONDS = 2.0
PAUSE_LEFT_SECONDS = 15  # a pause that ends sooner might end within the run


class Pair(NamedTuple):
    """A run, and the run of the bare host just before it."""

    bare: Run
    run: Run


class Untrue(Exception):
    """A run did not do what its variant claims."""


class Variant:
    """A way to run the host `script` on one network, in a home of its own."""

    name = ""
    script = "hello_bare.py"
    bare_script = "hello_bare.py"  # what it is compared with
    package = ""  # the peer it needs
    terminal = False
    variables: dict[str, str] = {}

    def __init__(self, python: str, network: Network) -> None:
        self.python = python
        self.network = network
        self.home = tempfile.mkdtemp(prefix="bench-")
        self.cap_seconds = 60.0
        self.launch = process.run

    def measure(self) -> Pair:
        """One counted run and the bare one that it is compared with. Raises Untrue."""
        self.prepare()
        bare = self.start(self.bare_script)
        run = self.start(self.script, terminal=self.terminal, **self.variables)
        if not run.capped:
            self.expect(run.status == 0, f"exit status {run.status}")
            self.verify(run)
        self.settle(run)
        return Pair(bare, run)

    def prepare(self) -> None:
        """Bring about the state that the variant is about."""

    def verify(self, run: Run) -> None:
        """Right after the run. Raises Untrue."""
        self.expect(not os.listdir(self.home), "it left files behind")

    def settle(self, run: Run) -> None:
        """Let what was started do its work, then end it. Raises Untrue."""

    def reset(self) -> None:
        """Begin anew with an empty home."""
        self.close()
        os.mkdir(self.home, 0o700)

    def close(self) -> None:
        """End and delete what is left."""
        process.end(self.home)
        shutil.rmtree(self.home, ignore_errors=True)

    def start(self, script: str, *, terminal: bool = False, **variables: str) -> Run:
        """Run a host in this home."""
        return self.launch(
            self.command(script), self.environ(**variables), terminal=terminal, cap_seconds=self.cap_seconds
        )

    def command(self, script: str) -> list[str]:
        """What runs a host."""
        return [self.python, str(HOSTS / script)]

    def environ(self, **variables: str) -> dict[str, str]:
        """All that there is in the environment: nothing that changes how a host runs."""
        endpoints = {"BENCH_ENDPOINT": self.network.url, "CLI_ANALYTICS_ENDPOINT": self.network.url}
        return {"PATH": os.defpath, "HOME": self.home, "LANG": "C.UTF-8", **endpoints, **variables}

    def expect(self, claim: bool, otherwise: str) -> None:
        """Raises Untrue with `otherwise` unless the claim is true."""
        if not claim:
            raise Untrue(f"{self.label}: {otherwise}")

    @property
    def label(self) -> str:
        """What it is and where."""
        return f"{self.name}, {self.network.name}" if self.network.name else self.name

    @property
    def healthy(self) -> bool:
        """True where a server answers."""
        return self.network.name == HEALTHY


class BareAgain(Variant):
    """The bare host once more: what differs between the two is noise."""

    name = "bare, once more"


class Ours(Variant):
    """The host instrumented with cli-analytics, whose user has seen the notice."""

    script = "hello_instrumented.py"

    def __init__(self, python: str, network: Network) -> None:
        super().__init__(python, network)
        self.state = Path(self.home, ".local/state/hello/analytics")
        self.before: set[str] = set()
        self.senders: set[int] = set()
        self.served = 0

    def prepare(self) -> None:
        """The notice was shown: by a run on a terminal, as it happens."""
        if not (self.state / "stamp").exists():
            self.start(self.script, terminal=True)
            self.expect((self.state / "stamp").exists(), "the notice was not shown")
        self.remember()

    def remember(self) -> None:
        """What there is before the run."""
        self.before, self.senders, self.served = self.events(), process.living(self.home), self.network.requests

    def settle(self, run: Run) -> None:
        """A sender gets as far as the network lets it; then it is ended, so that it is in nobody's way."""
        if process.living(self.home):
            tried = process.wait_until(self.has_tried, seconds=SETTLE_SECONDS)
            self.end_senders()
            self.expect(tried, "the sender has not tried to send")
            self.expect(not self.healthy or self.network.requests > self.served, "nothing arrived")

    def end_senders(self) -> None:
        """End them, and leave the lock as a sender leaves it that ends by itself: nobody takes it for alive."""
        process.end(self.home)
        os.utime(self.state / "sender.lock", (0, 0))

    def has_tried(self) -> bool:
        """True when the sender has delivered all, or where that can't be has begun to try."""
        return not self.events() if self.healthy else (self.state / "breaker").exists()

    def events(self) -> set[str]:
        """The events that wait, those in a sender's hands included. In this order none is missed."""
        spool = self.state / "spool"
        return {path.name for place in ("new/*", "claimed/*", "claimed/*/*") for path in spool.glob(f"{place}.json")}

    def expect_recorded(self) -> None:
        """One event more than before, or delivered by now. Raises Untrue."""
        new = len(self.events() - self.before)
        self.expect(new == 1 or self.network.requests > self.served, f"{new} events were recorded")

    def pause_seconds(self) -> float:
        """How long the breaker still pauses."""
        try:
            lines = (self.state / "breaker").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return 0
        return min((float(line.split()[2]) for line in lines), default=0) - time.time()
