"""A container may write into its launcher's spool whatever it likes: the launcher's side must survive that."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from recorder import recorder
from shells import ShellUser, every_shell, received
from test_sending import RECORD, is_at_rest
from watch import until

from cli_analytics.claims import Claims
from cli_analytics.spool import Spool

pytestmark = pytest.mark.slow  # it depends little on the Python it runs on

LONG_AGO = time.time() - 2 * 24 * 3600


@pytest.fixture
def thesis(tmp_path: Path) -> Path:
    """What the user would miss, in a folder that only they enter, and a name like that of an event."""
    folder = tmp_path / "documents"
    folder.mkdir(mode=0o700)
    for name in ("thesis.odt", "0000000000001-aaaaaaaaaaaa-10.json", "body"):
        (folder / name).write_text("{}", encoding="ascii")
        os.utime(folder / name, (LONG_AGO, LONG_AGO))
    os.utime(folder, (LONG_AGO, LONG_AGO))
    return folder


def link(spool: Path, name: str, target: Path) -> None:
    """Make a link in the place of a folder of the spool."""
    if (spool / name).is_dir():
        (spool / name).rename(spool.parent / f"{name} of before")
    (spool / name).symlink_to(target)
    os.utime(spool / name, (LONG_AGO, LONG_AGO), follow_symlinks=False)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="ascii") for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("place", ["shell-y", "tmp"])
def test_no_link_is_followed_by_what_takes_back_hands_over_and_clears(place: str, tmp_path: Path, thesis: Path) -> None:
    user = ShellUser(tmp_path)
    user.sh_inform()
    user.quietly("dash", "analytics_docker_args")
    spool = Path(user.where.spool)
    link(spool, place, thesis)
    before = contents(thesis)
    user.quietly("dash", "analytics_docker_args; analytics_end")
    claims = Claims(Spool(str(spool)), ["one"])
    claims.prepare()
    claims.claim("one")
    Spool(str(spool)).clear()
    user.sh("dash", "analytics_off")
    time.sleep(0.3)
    assert contents(thesis) == before
    assert thesis.stat().st_mode & 0o777 == 0o700


@every_shell
def test_a_pipe_in_the_place_of_an_event_holds_up_nobody(shell: str, tmp_path: Path) -> None:
    with recorder() as server:
        user = ShellUser(tmp_path, server.url)
        user.sh_inform(shell)
        user.quietly(shell, RECORD)
        os.mkfifo(Path(user.where.spool, "new", "0000000000001-aaaaaaaaaaaa-10.json"))
        user.quietly(shell, "analytics_end")
        until(lambda: len(received(server)) == 1 and is_at_rest(user))
    assert user.events() == []
