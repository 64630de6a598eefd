"""What a sender would find is what somebody who only looks is shown, whatever has happened to the spool before."""

from __future__ import annotations

from pathlib import Path

import pytest
from queues import SINKS, spool_with_a_past

from cli_analytics.claims import Claims

pytestmark = pytest.mark.slow  # it depends little on the Python it runs on


@pytest.mark.parametrize("seed", range(40))
def test_what_it_would_find_can_be_looked_at_before(tmp_path: Path, seed: int) -> None:
    for number, sink in enumerate(SINKS):
        spool, sinks = spool_with_a_past(tmp_path / str(number), seed)
        if sink not in sinks:
            continue
        before = {path: path.lstat().st_mtime_ns for path in Path(spool.folder).rglob("*")}
        seen = [(claimed, dropped) for claimed, dropped in Claims(spool, sinks).peek(sink) if claimed]
        assert {path: path.lstat().st_mtime_ns for path in Path(spool.folder).rglob("*")} == before
        claims, found = Claims(spool, sinks), []
        claims.prepare()
        while claims.wants(sink):
            claimed = claims.claim(sink)
            found += [(claimed, claims.dropped(sink))] if claimed else []
            for name, _ in claimed:
                claims.done(sink, name)
        assert seen == found
