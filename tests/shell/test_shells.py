"""The script that uses the library notices nothing of it, in any shell: options, traps, jobs, input, output, status."""

from __future__ import annotations

import os
import pty
import shlex
import subprocess
import time
from pathlib import Path

import pytest
from recorder import recorder
from shells import SEND, SHELLS, ShellUser, every_shell, received
from support import read_terminal
from watch import listing, until

from cli_analytics import disclosure, environment, manifest

pytestmark = pytest.mark.slow  # it depends little on the Python it runs on


@pytest.fixture
def user(tmp_path: Path) -> ShellUser:
    user = ShellUser(tmp_path)
    user.sh_inform()
    return user


SETTINGS = """\
set -euf -C
IFS=.:-
umask 022
trap 'echo "the end $?"' EXIT
trap 'echo term' TERM
date() {{ echo mine; }}
mv() {{ echo mine; }}
sleep 0.3 & child=$!
. '{library}'
analytics_begin 1.2.3
false || analytics_record report_exported format=csv rows=120
analytics_run true
analytics_end
[ "$!" = "$child" ] && echo same child
echo "$IFS" "$(umask)"
echo "$(date)"
case $- in *f*) echo f ;; esac
: > twice
if (: > twice) 2>/dev/null; then echo clobbers; fi
kill -TERM $$
wait
echo waited
trap
exit 3
"""


@every_shell
def test_nothing_that_the_caller_has_set_matters_or_changes(shell: str, user: ShellUser) -> None:
    with recorder() as server:
        script = SETTINGS.format(library=user.library)
        environ = {**user.environ, environment.ENDPOINT: server.url}
        done = subprocess.run(
            [*SHELLS[shell][0], "-c", script], env=environ, cwd=user.folder, capture_output=True, text=True, timeout=60
        )
        until(lambda: len(received(server)) == 2)
    assert (done.returncode, done.stderr) == (3, "")
    said = done.stdout.splitlines()
    assert said[:4] == ["same child", ".:- " + ("0022" if said[1].endswith("0022") else "022"), "mine", "f"]
    assert said[4] == "term"
    assert said[5] == "waited"
    assert "clobbers" not in said
    assert said[-1] == "the end 3"
    assert sum("echo term" in line for line in said) == 1


@every_shell
def test_the_status_of_a_command_is_its_own(shell: str, user: ShellUser) -> None:
    statuses = [0, 1, 2, 42, 126, 127, 130, 137, 255]
    text = "\n".join(f"analytics_run sh -c 'exit {status}'; echo $?" for status in statuses)
    assert user.quietly(shell, text).split() == list(map(str, statuses))
    found = [event["properties"] for event in user.events()]
    assert [each["exit_code"] for each in found] == statuses
    outcomes = {0: "ok", 130: "aborted"}
    assert [each["outcome"] for each in found] == [outcomes.get(status, "error") for status in statuses]
    assert {each["command"] for each in found} == {"mytool"}


@every_shell
def test_a_command_that_a_signal_ends_has_the_status_that_the_shell_gives_it(shell: str, user: ShellUser) -> None:
    kill = "sh -c 'kill -9 $$'"
    text = f"{kill}; echo $?; analytics_run {kill}; echo $?"
    bare, ours = user.sh(shell, text).stdout.split()
    assert bare == ours
    assert [event["properties"]["exit_code"] for event in user.events()] == [137]


@every_shell
def test_a_failing_command_ends_a_script_that_wants_that(shell: str, user: ShellUser) -> None:
    done = user.sh(shell, "set -e; analytics_run sh -c 'exit 42'; echo not reached")
    assert (done.returncode, done.stdout) == (42, "")
    assert len(user.events()) == 1


@every_shell
def test_a_command_has_the_callers_input_and_output_and_its_time_is_measured(shell: str, user: ShellUser) -> None:
    script = user.script("analytics_command='db migrate'; analytics_run sh -c 'cat; sleep 0.5; echo said >&2'; cat")
    done = subprocess.run(
        [*SHELLS[shell][0], "-c", script], env=user.environ, input="asked\n", capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("asked\n", "said\n")
    [event] = user.events()
    assert event["properties"]["command"] == "db migrate"
    assert 490 <= event["properties"]["duration_ms"] < 5_000


@every_shell
def test_commands_inside_of_each_other_have_each_their_time(shell: str, user: ShellUser) -> None:
    user.quietly(shell, "inner() { analytics_run true; sleep 0.3; }; analytics_run inner; analytics_run true")
    durations = [event["properties"]["duration_ms"] for event in user.events()]
    assert len(durations) == 3
    assert durations[1] >= 290 > max(durations[0], durations[2])


@every_shell
def test_commands_inside_of_each_other_have_each_their_status(shell: str, user: ShellUser) -> None:
    text = "outer() { analytics_run sh -c 'exit 5' || :; true; }; analytics_run outer; echo $?"
    assert user.quietly(shell, text) == "0\n"
    assert [event["properties"]["exit_code"] for event in user.events()] == [5, 0]


@every_shell
def test_a_script_that_comes_over_standard_input_is_not_eaten(shell: str, user: ShellUser) -> None:
    text = "analytics_record report_exported\nanalytics_run true\nanalytics_docker_args\nanalytics_end\necho last"
    done = subprocess.run(
        SHELLS[shell][0], env=user.environ, input=user.script(text), capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "last"
    assert done.stdout.startswith("-e\n")


@every_shell
def test_nobody_waits_for_the_sender(shell: str, user: ShellUser) -> None:
    if shell == "mksh":
        pytest.skip("mksh keeps copies of what is open, and can't let them go")
    with recorder() as server:
        server.answering.clear()
        ours, theirs = os.pipe()
        asked, answers = os.pipe()
        begin = "x=$(analytics_run true; analytics_end; echo out)"
        if shell == "posh":  # which keeps what a substitution replaces, and can't let it go
            begin = "analytics_run true; analytics_end; x=out"
        text = f'exec 7>&1; {begin}; echo "$x"; analytics_end; wait'
        begun = time.monotonic()
        done = subprocess.run(
            [*SHELLS[shell][0], "-c", user.script(text)],
            env={**user.environ, environment.ENDPOINT: server.url},
            capture_output=True,  # which waits until nobody holds them any more
            pass_fds=[theirs],
            stdin=asked,
            text=True,
            timeout=60,
        )
        assert time.monotonic() - begun < 5
        os.close(theirs)
        os.close(asked)
        with pytest.raises(BrokenPipeError):  # nobody has its end any more
            os.write(answers, b"x")
        os.close(answers)
        if shell.startswith("bash"):  # only there a descriptor above 9 can be let go
            assert os.read(ours, 1) == b""
        os.close(ours)
        until(lambda: server.requests)
        server.answering.set()
        until(lambda: not list(Path(user.where.spool).rglob("*.json")))
    assert (done.stdout, done.stderr) == ("out\n", "")


@every_shell
def test_an_interactive_shell_says_nothing_of_jobs(shell: str, user: ShellUser) -> None:
    ours, theirs = pty.openpty()
    with recorder() as server:
        jobs = ":" if shell == "posh" else "set -m"  # which has no control of jobs
        text = user.script(f"{jobs}; analytics_run true; analytics_end; sleep 0.5; true; echo la''st")
        command = [*SHELLS[shell][0], *(["-f"] if shell == "zsh" else []), "-i", "-c", text]
        environ = {**user.environ, environment.ENDPOINT: server.url, "HISTFILE": "/dev/null"}
        with subprocess.Popen(command, env=environ, stdin=theirs, stdout=theirs, stderr=theirs) as process:
            os.close(theirs)
            shown = read_terminal(ours)
        assert process.returncode == 0
        until(lambda: received(server))
    assert "last" in shown
    assert not [word for word in ("[1]", "Done", "done", "running", "+ ") if word in shown], shown


@every_shell
@pytest.mark.parametrize("no", [{SEND: "false"}, {"DO_NOT_TRACK": "1"}, {"CI": "true"}, {}])
def test_off_means_that_there_is_nothing(shell: str, no: dict[str, str], tmp_path: Path) -> None:
    user = ShellUser(tmp_path)
    before = listing(user.home, user.folder)
    text = "analytics_record report_exported format=csv; analytics_run true; analytics_docker_args; analytics_end"
    assert user.quietly(shell, text, **no).split() == ["-e", "CLI_ANALYTICS_HANDOVER=1:off", "-e", f"{SEND}=false"]
    assert listing(user.home, user.folder) == before


@every_shell
def test_the_notice_is_shown_once_and_that_run_records_nothing(shell: str, tmp_path: Path) -> None:
    user = ShellUser(tmp_path)
    first = user.sh_on_terminal(shell, "analytics_run echo hello; analytics_end")
    declared = manifest.load(str(user.manifest))
    [sink] = manifest.destinations(declared, user.environ)
    expected = disclosure.notice(declared, [sink], commands=None, where="/")
    assert first.stdout == "hello\n"
    assert first.terminal.splitlines()[:-1] == expected.splitlines()[:-1]
    config = user.home / ".config" / "mytool" / "analytics"
    assert f"mkdir -p '{config}' && echo off > '{config}/choice'   or: export {SEND}=false" in first.terminal
    assert not user.events()
    assert not config.exists()

    assert user.sh_on_terminal(shell, "analytics_run echo hello").terminal == ""
    assert len(user.events()) == 1


@every_shell
def test_a_hand_over_is_words_and_what_python_knows(shell: str, user: ShellUser) -> None:
    said = user.quietly(shell, "set -f; IFS=_; analytics_docker_args")
    words = shlex.split(said)
    assert said.split() == words
    variables = dict(word.split("=", 1) for word in words if "=" in word)
    handed = environment.handover(variables)
    digest = disclosure.digest(manifest.load(str(user.manifest)))
    assert handed == ((user.home / ".config/mytool/analytics/client-id").read_text().strip(), digest, "on")
    assert variables[SEND] == ""
    assert words[4:6] == ["-e", "CLI_ANALYTICS_ENDPOINT"], "whose value the engine's client takes from here"
    assert words[-2:] == ["-v", f"{user.where.spool}:{variables['CLI_ANALYTICS_SPOOL']}"]
    assert Path(user.where.spool, "new").is_dir()

    assert f"{SEND}=true" in user.quietly(shell, "analytics_docker_args", **{SEND: "yes"})
    spaced = {"XDG_STATE_HOME": str(user.folder / "with a blank"), SEND: "yes"}
    assert "-v" not in user.sh(shell, "analytics_docker_args", **spaced).stdout.split()
    assert "-v" not in user.quietly(shell, "analytics_docker_args", DOCKER_HOST="tcp://10.0.0.1:2375").split()


@every_shell
def test_inside_a_container_the_hand_over_is_obeyed(shell: str, user: ShellUser) -> None:
    words = shlex.split(user.quietly("dash", "analytics_docker_args"))
    handed = dict(word.split("=", 1) for word in words if "=" in word)
    handed["CLI_ANALYTICS_SPOOL"] = user.where.spool
    inside = {"HOME": "/nonexistent", "XDG_CONFIG_DIRS": "/nonexistent", **handed}
    assert user.quietly(shell, "analytics_run true; analytics_end", **inside) == ""
    [event] = user.events()
    assert event["anonymousId"] == handed["CLI_ANALYTICS_HANDOVER"].split(":")[1]
    assert user.appended()[0].stat().st_mode & 0o777 == 0o644

    other = handed["CLI_ANALYTICS_HANDOVER"].replace("on", "off")
    user.quietly(shell, "analytics_run true; analytics_end", **{**inside, "CLI_ANALYTICS_HANDOVER": other})
    assert len(user.events()) == 1
