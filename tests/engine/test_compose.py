"""Compose, with the example's file: what it passes on when nobody says anything is an empty string, and no opinion."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import image
import pytest
from bridge import NAME, Bridged, bridged
from launching import launching

COMPOSE = shutil.which("docker-compose")
FILE = image.EXAMPLE / "compose.yaml"
DEMO = image.ROOT / "cli_analytics" / "demo" / "analytics.toml"
LINE = (
    "jotter sends pseudonymous usage data to The cli-analytics project, because SEND_ANONYMOUS_USAGE_INFO says yes."
    " About it: https://example.org/jotter/analytics"
)

pytestmark = [
    pytest.mark.slow,
    image.needs_engine,
    pytest.mark.skipif(COMPOSE is None, reason="docker: docker-compose is not installed"),
]


class Project:
    """The example's compose file, with a way to the recorder beside it."""

    def __init__(self, folder: Path, server: Bridged) -> None:
        self.name = f"cli-analytics-test-{uuid.uuid4().hex[:8]}"
        self.server = server
        beside = folder / "beside.yaml"
        service = {
            "extra_hosts": [server.host[1]],
            "volumes": [server.mount[1]],
            "environment": {"SSL_CERT_FILE": server.environ["SSL_CERT_FILE"]},
        }
        beside.write_text(json.dumps({"services": {"jotter": service}}), encoding="utf-8")  # JSON is YAML, too
        self.files = (FILE, beside)
        self._command = [str(COMPOSE), "-p", self.name, "-f", str(FILE), "-f", str(beside)]

    def call(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        kept = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "JOTTER_IMAGE": image.jotter()}
        given = {**kept, "CLI_ANALYTICS_ENDPOINT": self.server.environ["CLI_ANALYTICS_ENDPOINT"], **environ}
        return subprocess.run(
            [*self._command, *arguments],
            env=given,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=120,
        )

    def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return self.call("--log-level", "ERROR", "run", "--rm", "-T", "jotter", *arguments, **environ)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with bridged(tmp_path) as server:
        made = Project(tmp_path, server)
        yield made
        made.call("down", "--volumes", "--remove-orphans", "--timeout", "0")


def test_what_nobody_sets_arrives_empty_and_is_no_opinion(project: Project) -> None:
    settings = project.call("config").stdout
    assert "SEND_ANONYMOUS_USAGE_INFO: ''" in settings
    assert "DO_NOT_TRACK: ''" in settings
    status = project.run("analytics", "status")
    assert "you have not been told yet" in status.stdout, status
    ended = project.run("add", "Buy milk")
    assert (ended.returncode, ended.stdout.strip()) == (0, "1 notes")
    assert LINE not in ended.stderr
    assert project.server.recorder.requests == []


@pytest.mark.parametrize("said", ["false", "off", "ture"])
def test_what_is_no_yes_is_off(project: Project, said: str) -> None:
    ended = project.run("add", "Buy milk", SEND_ANONYMOUS_USAGE_INFO=said)
    assert (ended.returncode, ended.stdout.strip()) == (0, "1 notes")
    assert LINE not in ended.stderr
    status = project.run("analytics", "status", SEND_ANONYMOUS_USAGE_INFO=said)
    assert "SEND_ANONYMOUS_USAGE_INFO is set and is no yes" in status.stdout
    assert project.server.recorder.requests == []


def test_a_yes_says_so_in_the_log_of_the_service(project: Project) -> None:
    yes = {"SEND_ANONYMOUS_USAGE_INFO": "true"}
    (ended := project.call("up", "--no-color", **yes)).check_returncode()
    assert ended.stdout.count(LINE) == 1, ended.stdout


def test_what_a_yes_sends_arrives(project: Project) -> None:
    ended = project.run("add", "Buy milk", SEND_ANONYMOUS_USAGE_INFO="true")
    assert (ended.returncode, ended.stdout.strip()) == (0, "1 notes")
    [event] = project.server.wait(1, seconds=1)
    assert event["properties"]["command"] == "add"


@pytest.mark.parametrize("said", ["", "false"], ids=["told", "off"])
def test_a_launcher_hands_over_to_what_it_starts_by_compose(project: Project, tmp_path: Path, said: str) -> None:
    with launching(tmp_path / "somebody", project.server, DEMO) as somebody:
        somebody.inform()
        somebody.environ.update({"JOTTER_IMAGE": image.jotter(), "SEND_ANONYMOUS_USAGE_INFO": said})
        files = ":".join(map(str, project.files))
        words = ["dash", str(somebody.script), "deploy", f"--compose={files}", f"--name={project.name}", "--"]
        done, _ = somebody.start([*words, "add", "Buy milk"]).communicate(timeout=60)
        failed = somebody.start([*words, "exit"])
        failed.communicate(timeout=60)
        assert (done.strip(), failed.returncode) == (b"1 notes", 2)
        events = project.server.wait(0 if said else 4)
    assert len(events) == (0 if said else 4)
    assert len({event["anonymousId"] for event in events}) == bool(events)
    assert project.call("ps", "--quiet").stdout == ""


def test_the_recorder_has_the_name_that_the_override_gives(project: Project) -> None:
    assert f"{NAME}:" in project.call("config").stdout
