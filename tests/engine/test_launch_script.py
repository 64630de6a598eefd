"""The launcher as a script: piped from curl, at a terminal, with signals, under each shell that users have."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import image
import pytest
from bridge import Bridged, bridged
from containers import Ended
from launching import LAUNCH, NOTICE, Launching, launching
from support import read_terminal
from watch import children_of, command_line, listing, until

pytestmark = [pytest.mark.slow, image.needs_engine]

SHELLS = {"dash": ("dash",), "bash": ("bash",), "busybox": ("busybox", "sh")}
NO_SUCH_IMAGE = "cli-analytics-test:there-is-none"
DOCKER_FAILED = 125
every_shell = pytest.mark.parametrize("shell", [name for name in SHELLS if shutil.which(name)])


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridged]:
    with bridged(tmp_path_factory.mktemp("bridge")) as running:
        yield running


@pytest.fixture
def somebody(tmp_path: Path, server: Bridged) -> Iterator[Launching]:
    with launching(tmp_path / "somebody", server) as one:
        yield one


@pytest.fixture
def site(somebody: Launching) -> Iterator[str]:
    """Where the launcher is published."""
    shutil.copy(somebody.script, somebody.folder / "launch.sh")
    handler = partial(_Quiet, directory=str(somebody.folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.mark.skipif(shutil.which("bash") is None or shutil.which("curl") is None, reason="no bash and curl here")
def test_the_line_that_is_printed_everywhere_works(somebody: Launching, server: Bridged, site: str) -> None:
    before, asked = listing(somebody.home), len(server.recorder.requests)
    inside = f"--options='{' '.join(somebody.inside)}'"
    deploy = f"bash <(curl -s {site}/launch.sh) deploy --image={image.probe()} {inside}"
    for line, status in (
        (f"SEND_ANONYMOUS_USAGE_INFO=false {deploy} exit 42", 42),
        (f"SEND_ANONYMOUS_USAGE_INFO=false {deploy} -- hello --help", 0),
        (f"{deploy} exit 137", 137),
    ):
        ended = subprocess.run(["bash", "-c", line], env=somebody.environ, cwd=somebody.folder, capture_output=True)
        assert ended.returncode == status, ended.stderr
    assert listing(somebody.home) == before
    assert len(server.recorder.requests) == asked


@every_shell
def test_a_download_that_was_cut_off_starts_nothing(somebody: Launching, shell: str) -> None:
    whole = somebody.script.read_bytes()
    library = len(whole) - LAUNCH.stat().st_size
    last = len(whole.rstrip()) - len(b"} # The end.")
    for at in (*range(library // 3, library, library // 3), *range(library, last, 97), *range(last - 30, last + 1)):
        cut_off = _piped(somebody, shell, whole[:at])
        assert (cut_off.status != DOCKER_FAILED, cut_off.stdout) == (True, b""), f"at byte {at}"
    assert _piped(somebody, shell, whole).status == DOCKER_FAILED


def _piped(somebody: Launching, shell: str, script: bytes) -> Ended:
    words = [*SHELLS[shell], "-s", "deploy", f"--image={NO_SUCH_IMAGE}", "--options=--pull=never"]
    done = subprocess.run(words, env=somebody.environ, cwd=somebody.folder, input=script, capture_output=True)
    return Ended(done.returncode, done.stdout, done.stderr, 0)


@every_shell
@pytest.mark.parametrize("listens", [True, False], ids=["it listens", "it does not"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_reaches_the_container(somebody: Launching, shell: str, number: signal.Signals, listens: bool) -> None:
    words = ["wait", "--politely"] if listens and number != signal.SIGHUP else ["wait"]
    process = somebody.start(somebody.command(*words, options=("--init",), shell=SHELLS[shell]))
    assert process.stdout is not None
    assert process.stdout.readline() == b"waiting\n"
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=30)
    if len(words) == 2:
        assert (process.returncode, out, err) == (3, b"got " + number.name.encode() + b"\n", b"")
    else:
        assert process.returncode == {signal.SIGTERM: 143, signal.SIGINT: 1, signal.SIGHUP: 129}[number]
    assert _left(process) == []


@every_shell
def test_no_container_is_left_behind_when_the_client_of_the_engine_is_killed(somebody: Launching, shell: str) -> None:
    process = somebody.start(somebody.command("wait", shell=SHELLS[shell]))
    assert process.stdout is not None
    assert process.stdout.readline() == b"waiting\n"
    [client] = [pid for pid in children_of(process.pid) if command_line(pid, 0) == "docker"]
    os.kill(client, signal.SIGKILL)
    process.communicate(timeout=30)
    assert (process.returncode, _left(process)) == (137, [])


@every_shell
def test_no_container_is_left_behind_whenever_the_launcher_is_stopped(somebody: Launching, shell: str) -> None:
    for delay in range(0, 400, 40):
        process = somebody.start(somebody.command("wait", options=("--init",), shell=SHELLS[shell]))
        time.sleep(delay / 1000)
        os.kill(process.pid, signal.SIGTERM)
        try:
            process.communicate(timeout=5)
        except subprocess.TimeoutExpired:  # the container's init was there, and not yet listening
            os.kill(process.pid, signal.SIGTERM)
            process.communicate(timeout=30)
        assert process.returncode in (-signal.SIGTERM, 125, 143), delay
        assert until(lambda: _left(process) == [], 2, must=False), delay  # noqa: B023  it is called at once


@every_shell
def test_ctrl_c_reaches_the_container_and_the_launcher_outlives_it(somebody: Launching, shell: str) -> None:
    """At a terminal that is the launcher's own, with the output elsewhere, so that the container has none."""
    read, write = os.pipe()
    words = somebody.command("wait", "--politely", options=("--init",), shell=SHELLS[shell])
    ours, process = somebody.open_terminal(words, stdout=write)
    os.close(write)
    with open(read, "rb") as out:
        assert out.readline() == b"waiting\n"
        os.write(ours, b"\x03")
        assert out.read() == b"got SIGINT\n"
    shown = read_terminal(ours)
    assert process.wait(30) == 3
    assert "Traceback" not in shown
    assert _left(process) == []


@every_shell
def test_stdin_is_the_containers(somebody: Launching, shell: str) -> None:
    typed = bytes(range(256)) * 1024
    words = somebody.command("copy", shell=SHELLS[shell])
    done = subprocess.run(words, env=somebody.environ, cwd=somebody.folder, input=typed, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, typed, b"reading\ncopied\n")
    without = ["sh", "-c", 'exec "$@" <&-', "sh", *words]
    done = subprocess.run(without, env=somebody.environ, cwd=somebody.folder, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"reading\ncopied\n")


@every_shell
def test_a_terminal_is_the_containers(somebody: Launching, shell: str) -> None:
    somebody.inform()
    shown = somebody.on_terminal(somebody.command("copy", shell=SHELLS[shell]), typed=b"one\n\x04")
    assert shown.status == 0
    assert sorted(shown.shown.split()) == ["copied", "one", "one", "reading"]  # typed, and what came of it
    shown = somebody.on_terminal(somebody.command("terminals", shell=SHELLS[shell]))
    assert shown.shown == "[True, True, True]\n"


@every_shell
def test_what_is_missing_is_asked_for_on_a_terminal_only(somebody: Launching, shell: str) -> None:
    deploy = [*SHELLS[shell], str(somebody.script), "deploy"]
    shown = somebody.on_terminal(deploy, typed=f"{image.probe()}\n".encode())
    assert "Image: " in shown.shown
    assert "Usage: probe" in shown.shown
    assert f"no     sh {somebody.script} analytics off" in shown.shown
    assert shown.shown.count(NOTICE) == 1
    process = somebody.start(deploy)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err.splitlines()[0]) == (2, b"", b"which image? --image=IMAGE")
    for words in (["fly"], ["deploy", "--color"], ["stop"], ["analytics", "maybe"]):
        process = somebody.start([*SHELLS[shell], str(somebody.script), *words])
        process.communicate(timeout=30)
        assert process.returncode == 2


def test_a_user_asks_and_says_no_by_the_launcher(somebody: Launching) -> None:
    somebody.inform()
    script = ["dash", str(somebody.script), "analytics"]
    for words, said in (([], b"is recorded"), (["off"], b"records no usage data"), (["status"], b"NOT recorded")):
        out, _ = somebody.start([*script, *words]).communicate(timeout=30)
        assert said in out


def test_a_container_is_stopped_by_its_name(somebody: Launching) -> None:
    name = f"cli-analytics-test-{os.getpid()}"
    words = somebody.command("wait", options=("--init",))
    process = somebody.start([*words[:3], f"--name={name}", *words[3:]])
    assert process.stdout is not None
    assert process.stdout.readline() == b"waiting\n"
    somebody.start(["dash", str(somebody.script), "stop", f"--name={name}"]).communicate(timeout=30)
    process.communicate(timeout=30)
    assert process.returncode == 143


def _left(process: subprocess.Popen[bytes]) -> list[str]:
    """What is still there of what a launcher has started."""
    marks = image.docker("ps", "--all", "--format", '{{.Label "mytool.launch"}}').stdout.split()
    return [mark for mark in marks if mark.startswith(f"{process.pid}.")]
