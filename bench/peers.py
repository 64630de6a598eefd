"""Peers: what people would use instead."""

from __future__ import annotations

from bench import process
from bench.process import Run
from bench.variants import PEER_SETTLE_SECONDS, Variant


class Peer(Variant):
    """A peer may leave files and processes behind; where a server answers it must have got the event."""

    def prepare(self) -> None:
        """Count what arrives."""
        self.served = self.network.requests

    def verify(self, run: Run) -> None:
        """Nothing is claimed of it but that the event arrives, for which it may need its background process."""

    def settle(self, run: Run) -> None:
        """A detached process may end its work, and is ended where it can't."""
        process.wait_until(lambda: not process.living(self.home), seconds=PEER_SETTLE_SECONDS)
        process.end(self.home)
        if self.healthy and not run.capped:
            self.expect(self.network.requests > self.served, "nothing arrived")


class Requests(Peer):
    """requests.post in a try/except."""

    name = "requests.post in try/except"
    script = "hello_requests.py"
    package = "requests"


class Iterative(Peer):
    """iterative-telemetry, whose detached process posts."""

    name = "iterative-telemetry"
    script = "hello_iterative.py"
    package = "iterative-telemetry"


class Posthog(Peer):
    """posthog, shut down at the end."""

    name = "posthog"
    script = "hello_posthog.py"
    package = "posthog"


class Segment(Peer):
    """segment-analytics-python, flushed at the end."""

    name = "segment-analytics-python"
    script = "hello_segment.py"
    package = "segment-analytics-python"


PEERS: tuple[type[Variant], ...] = (Requests, Iterative, Posthog, Segment)
