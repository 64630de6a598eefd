"""Ours: the states in which a host instrumented with cli-analytics is measured."""

from __future__ import annotations

import os

from bench import process
from bench.process import Run
from bench.variants import PAUSE_LEFT_SECONDS, SETTLE_SECONDS, BareAgain, Ours, Variant


class Steady(Ours):
    """Recording, while a sender is alive (healthy) or pauses because the last attempt failed (the other networks)."""

    name = "instrumented"

    def prepare(self) -> None:
        """A run before this one has started a sender."""
        super().prepare()
        if self.healthy or self.pause_seconds() < PAUSE_LEFT_SECONDS:
            (self.state / "breaker").unlink(missing_ok=True)
            self.start(self.script)
            self.expect(process.wait_until(self.has_tried, seconds=SETTLE_SECONDS), "no sender has tried to send")
            if not self.healthy:
                self.end_senders()
        self.remember()
        self.expect(bool(self.senders) == self.healthy, f"{len(self.senders)} senders are alive")

    def verify(self, run: Run) -> None:
        """The event was recorded, and no process started."""
        self.expect_recorded()
        self.expect(process.living(self.home) == self.senders, "a process was started, or the sender ended meanwhile")


class SenderStarted(Ours):
    """Recording, and starting the sender: the first run after a while."""

    name = "… and a sender started"

    def prepare(self) -> None:
        """No sender, no pause, nothing waiting."""
        super().prepare()
        (self.state / "breaker").unlink(missing_ok=True)
        for path in (self.state / "spool").glob("**/*.json"):
            path.unlink(missing_ok=True)
        self.remember()
        self.expect(not self.senders, "a sender is alive already")

    def verify(self, run: Run) -> None:
        """The event was recorded, and a sender is alive, or has been."""
        self.expect_recorded()
        started = process.wait_until(lambda: bool(process.living(self.home)) or self.has_tried(), seconds=1)
        self.expect(started, "no sender was started")


class OptedOut(Ours):
    """A user who was told and says no by variable."""

    name = "opted out"
    variables = {"SEND_ANONYMOUS_USAGE_INFO": "false"}

    def remember(self) -> None:
        """What files there are, and when they were changed."""
        self.files = self._files()

    def verify(self, run: Run) -> None:
        """Nothing was written, deleted or started."""
        self.expect(self._files() == self.files, "it changed files")
        self.expect(not process.living(self.home), "it started a process")
        self.expect(not run.terminal, "it said something")

    def _files(self) -> dict[str, int]:
        found = [os.path.join(folder, name) for folder, _, names in os.walk(self.home) for name in (*names, "")]
        return {path: os.stat(path).st_mtime_ns for path in found}


class OptedOutFromTheStart(OptedOut):
    """A user at a terminal whose variable said no before the first run: there is no stamp, and never will be."""

    name = "opted out from the start, on a terminal"
    terminal = True

    def prepare(self) -> None:
        """Nothing was ever shown or recorded."""
        self.expect(not os.listdir(self.home), "the home is not fresh")
        self.remember()


class FirstRun(Ours):
    """The run that shows the notice, on a terminal, and records nothing."""

    name = "first run: the notice"
    terminal = True

    def prepare(self) -> None:
        """A fresh home."""
        self.reset()

    def verify(self, run: Run) -> None:
        """The notice was read to its end, and nothing recorded."""
        self.expect("SEND_ANONYMOUS_USAGE_INFO" in run.terminal, "no notice was shown")
        self.expect((self.state / "stamp").exists(), "no stamp was kept")
        self.expect(not self.events(), "it recorded an event")
        self.expect(not os.path.exists(os.path.join(self.home, ".config/hello")), "there is a client id")
        self.expect(not process.living(self.home), "it started a process")


OURS: tuple[type[Variant], ...] = (BareAgain, Steady, SenderStarted, OptedOut, OptedOutFromTheStart, FirstRun)
