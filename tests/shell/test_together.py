"""The shell and Python serve one tool on one machine: one id, one choice, one notice, one spool."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path

import breakers
import pytest
from recorder import recorder
from shells import SHELLS, ShellUser, every_shell, received
from test_sending import RECORD, is_at_rest
from watch import until

from cli_analytics import identity, storage

pytestmark = pytest.mark.slow  # it depends little on the Python it runs on


@every_shell
def test_the_id_the_notice_and_the_stamp_of_one_are_the_others(shell: str, tmp_path: Path) -> None:
    user = ShellUser(tmp_path)
    user.sh_inform(shell)
    breakers.hold(user.where)
    assert user.on_terminal("hello").terminal == ""
    [event] = user.events()
    made = identity.known(user.where)
    user.end()
    user.quietly(shell, RECORD)
    assert {each["anonymousId"] for each in user.events()} == {made} == {event["anonymousId"]}

    other = ShellUser(tmp_path / "other")
    other.inform()
    breakers.hold(other.where)
    assert other.sh_on_terminal(shell, RECORD).terminal == ""
    made = identity.known(other.where)
    other.run("hello")
    assert [each["anonymousId"] for each in other.events()] == [made, made]
    other.end()


@every_shell
def test_a_choice_made_with_one_is_honored_by_the_other(shell: str, tmp_path: Path) -> None:
    user = ShellUser(tmp_path)
    user.inform()
    user.quietly(shell, RECORD)
    assert user.events()
    assert "mytool records no usage data any more" in user.quietly(shell, "analytics_off")
    assert not user.events()
    assert not Path(user.where.client_id).exists()
    assert storage.read(user.where.choice) == f"off {time.strftime('%Y-%m-%d', time.gmtime())}\n".encode()
    assert "NOT recorded" in user.run("analytics", "status").stdout
    user.run("export", "1")
    assert user.run("analytics", "on").returncode == 0
    assert ": usage data is recorded" in user.quietly(shell, f"{RECORD}; analytics_status")
    assert len(user.events()) == 1
    assert user.run("analytics", "off").returncode == 0
    assert "(choice)" in user.quietly(shell, f"{RECORD}; analytics_status")
    assert "who    Example Foundation" in user.quietly(shell, "analytics_on")
    assert user.run("analytics", "status").stdout.startswith("mytool 1.2.3: usage data is recorded")
    user.end()


def test_python_delivers_what_the_shell_recorded(tmp_path: Path) -> None:
    with recorder() as server:
        user = ShellUser(tmp_path, server.url)
        user.sh_inform()
        user.quietly("dash", RECORD)
        [event] = user.events()
        user.run("export", "1")
        until(lambda: len(received(server)) >= 2)
        user.end()
    assert {**event, "request_ip": "0.0.0.0"} in received(server)


def test_the_shell_delivers_what_python_recorded_if_it_may_leave_as_it_is(tmp_path: Path) -> None:
    with recorder() as server:
        user = ShellUser(tmp_path, server.url)
        user.inform()
        paused = Path(user.where.sender_lock)  # seems alive, so Python starts none
        paused.touch()
        user.run("hello")
        user.run("export", "120")
        user.end()
        names = [event["event"] for event in user.events()]
        assert sorted(names) == ["command_run", "command_run", "report_exported"]
        user.quietly("dash", "analytics_end")
        until(lambda: len(received(server)) == 2 and is_at_rest(user))
    assert {event["event"] for event in received(server)} == {"command_run"}
    assert [event["properties"]["rows"] for event in user.events()] == [120]  # which only Python can make a range of


def test_200_shells_and_python_at_once_lose_and_double_nothing(tmp_path: Path) -> None:
    with recorder() as server:
        user = ShellUser(tmp_path, server.url)
        user.sh_inform()
        running: list[subprocess.Popen[str]] = []
        for number in range(200):
            shell = list(SHELLS)[number % len(SHELLS)]
            command = SHELLS[shell][0] if shutil.which(SHELLS[shell][0][0]) else ["sh"]
            script = user.script(f"{RECORD}; analytics_end")
            running.append(
                subprocess.Popen(
                    [*command, "-c", script], env=user.environ, stdout=-3, stderr=subprocess.PIPE, text=True
                )
            )
            if number % 20 == 0:
                running.append(user.start("hello", stdout=-3, stderr=subprocess.PIPE))
            if len(running) % 20 == 0:
                for each in running[-20:]:
                    each.wait(60)
        for each in running:
            assert each.communicate(timeout=60)[1] == ""
        until(lambda: is_at_rest(user), must=False)
        user.quietly("dash", "analytics_end")
        until(lambda: len({event["messageId"] for event in received(server)}) == 210, seconds=60, must=False)
        ids = Counter(event["messageId"] for event in received(server))
        user.end()
    assert (len(ids), max(ids.values())) == (210, 1)
    assert len({event["anonymousId"] for event in received(server)}) == 1
