"""On what machine: a closed list that names none."""

from __future__ import annotations

import getpass
import itertools
import json
import os
import platform
import socket
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from cli_analytics import __version__, detection, event, gate
from cli_analytics.properties import Declaration

CLOSED = {"ip", "library", "app", "os", "arch", "python", "cpus", "ci", "container", "sessionId"}
SESSION = 1767323045


def context(environ: Mapping[str, str]) -> dict[str, Any]:
    return event.context("mytool", "1.2.3", environ, session_id=SESSION)


def test_it_is_a_closed_list() -> None:
    built = context({})
    assert set(built) == CLOSED
    assert built["ip"] == "0.0.0.0"
    assert built["app"] == {"name": "mytool", "version": "1.2.3"}
    assert built["library"] == {"name": "cli-analytics", "version": __version__}
    assert built["python"] == f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert built["sessionId"] == SESSION
    assert (built["os"], built["arch"]) == ({"name": platform.system()}, platform.machine())


def test_it_names_neither_the_machine_nor_the_user_nor_a_place() -> None:
    said = json.dumps(context({**os.environ, "KUBERNETES_SERVICE_HOST": "10.0.0.1"}))
    secrets = [socket.gethostname(), platform.release(), platform.version(), os.getcwd(), os.path.expanduser("~")]
    secrets += ["10.0.0.1", sys.executable]
    if len(getpass.getuser()) > 4:
        secrets.append(getpass.getuser())
    assert [secret for secret in secrets if len(secret) > 3 and secret in said] == []


def test_processors_are_a_power_of_two() -> None:
    cpus = context({})["cpus"]
    assert 1 <= cpus <= event.MAX_CPUS
    assert cpus & (cpus - 1) == 0


@pytest.mark.parametrize(
    ("environ", "container"),
    [({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "kubernetes"), ({}, None), ({"container": "x"}, None)],
)
def test_a_container_is_known_by_its_kind(environ: dict[str, str], container: str | None) -> None:
    found = context(environ)["container"]
    assert found in ([container] if container else ["docker", "podman", "other", "none"])


def test_an_id_that_is_gone_with_its_container_is_marked_and_no_other() -> None:
    marked = event.context("mytool", "1.2.3", {}, session_id=SESSION, is_ephemeral=True)
    assert marked == {**context({}), "ephemeral": True}


def test_ci_is_known_by_its_vendor() -> None:
    assert context({"GITLAB_CI": "true"})["ci"] == "gitlab"
    assert context({})["ci"] == "none"


def test_all_of_it_may_leave() -> None:
    environs = [{}, {"CI": "1"}, *({name: "x"} for name in detection.CI_VENDORS), {"KUBERNETES_SERVICE_HOST": "x"}]
    for environ, is_ephemeral in itertools.product(environs, (False, True)):
        built = event.context("my-tool", "1.2.3rc1", environ, session_id=SESSION, is_ephemeral=is_ephemeral)
        found = {
            "type": "track",
            "event": "e",
            "messageId": "1",
            "anonymousId": "2",
            "timestamp": "2026-01-02T03:04:05Z",
        }
        left = gate.check({**found, "context": built}, {"e": Declaration("W", {})}).event
        assert left is not None
        assert left["context"] == built
