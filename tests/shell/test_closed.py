"""A script whose input, output or errors are closed: it ends, nothing spins, and what it records is there."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from recorder import recorder
from shells import SHELLS, ShellUser, every_shell, received
from watch import processes_at, until

from cli_analytics import environment

pytestmark = pytest.mark.slow  # it depends little on the Python it runs on

SCRIPT = (
    "analytics_record report_exported format=csv rows=120; analytics_run true; analytics_docker_args; analytics_end"
)
ALL = "<&- >&- 2>&-"
SECONDS = 10  # of the processors for all of them; it takes half of one


@every_shell
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", ALL])
def test_a_closed_descriptor_makes_no_shell_spin(shell: str, closed: str, tmp_path: Path) -> None:
    before = sum(os.times()[2:4])
    with recorder() as server:
        user = ShellUser(tmp_path)
        user.sh_inform()
        environ = {**user.environ, environment.ENDPOINT: server.url}
        command = ["dash", "-c", f'exec "$@" {closed}', "dash", *SHELLS[shell][0], "-c", user.script(SCRIPT)]
        done = subprocess.run(command, env=environ, stdin=subprocess.PIPE, capture_output=True, timeout=60)
        if (shell, closed) != ("ksh93", ALL):  # which then has no substitution of commands, so nothing is recorded
            until(lambda: len(received(server)) == 2)
        until(lambda: not processes_at(user.home))
    assert done.returncode in (0, 1, 2)  # what a shell makes of printing to nowhere
    assert sum(os.times()[2:4]) - before < SECONDS


@every_shell
def test_a_script_that_comes_over_a_closed_input_ends(shell: str, tmp_path: Path) -> None:
    user = ShellUser(tmp_path)
    user.sh_inform()
    for words in ([], ["-i"]):
        command = ["dash", "-c", 'ulimit -t 5; exec "$@" <&-', "dash", *SHELLS[shell][0], *words]
        environ = {**user.environ, "ENV": str(user.library), "HISTFILE": "/dev/null"}
        done = subprocess.run(command, env=environ, stdin=subprocess.PIPE, capture_output=True, timeout=60)
        assert done.returncode >= 0  # no signal had to end it
    until(lambda: not processes_at(user.home))
