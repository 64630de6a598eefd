"""What a sender that is written in shell has in its hands, seen from Python."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from queues import ONE

from cli_analytics.claims import SHELL_SECONDS, Claims
from cli_analytics.spool import Spool


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(str(tmp_path / "state" / "spool"))


def test_what_a_killed_shell_sender_had_waits_again_and_what_a_living_one_has_stays(spool: Spool) -> None:
    spool.append(b"one")
    [name] = spool.waiting()
    own = Path(spool.folder, "shell-17")
    own.mkdir()
    os.rename(spool.path("new", name), own / name)
    (own / "dropped").write_bytes(b"..")
    (own / "body").write_bytes(b"what it was about to send")
    claims = Claims(spool, ONE)
    assert claims.claim(ONE[0]) == []
    long_ago = time.time() - SHELL_SECONDS - 1
    os.utime(own, (long_ago, long_ago))
    assert claims.claim(ONE[0]) == [(name, b"one")]
    assert claims.dropped(ONE[0]) == 2
    assert not own.exists()


def test_who_says_no_takes_it_from_shell_senders_too(spool: Spool) -> None:
    spool.append(b"one")
    [name] = spool.waiting()
    own = Path(spool.folder, "shell-17")
    own.mkdir()
    os.rename(spool.path("new", name), own / name)
    spool.clear()
    assert list(own.iterdir()) == []
