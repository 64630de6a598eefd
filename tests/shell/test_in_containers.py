"""In a container: where the files of a yes lie, what a launcher hands over, and what its own side is given."""

from __future__ import annotations

import json
import os
import shlex
import tempfile
import time
from pathlib import Path

import pytest
from recorder import recorder
from shells import SEND, ShellUser, every_shell, received
from support import TOOL

from cli_analytics import containers, deployment, detection, disclosure, environment, gate, manifest, storage

pytestmark = pytest.mark.slow  # it depends little on the Python it runs on

RECORD = "analytics_record report_exported format=csv rows=120"
DEPLOYED = {"container": "lxc", SEND: "true"}
ID = "0b7e2f9a-1c3d-4e5f-8a9b-0c1d2e3f4a5b"


@pytest.fixture
def user(tmp_path: Path) -> ShellUser:
    return ShellUser(tmp_path)


def handed(user: ShellUser, digest: str = "") -> dict[str, str]:
    declared = manifest.load(str(user.manifest))
    return {"container": "lxc", environment.HANDOVER: f"1:{ID}:{digest or disclosure.digest(declared)}:on"}


def remembered(user: ShellUser) -> list[dict[str, object]]:
    """The events that wait in the memory of the container."""
    return [json.loads(path.read_bytes()) for path in sorted(user.memory.rglob("new/*.json"))]


@every_shell
def test_a_deployers_yes_leaves_nothing_on_the_disk_and_is_said_once_a_start(shell: str, user: ShellUser) -> None:
    first = user.sh(shell, RECORD, **DEPLOYED)
    assert first.stderr.splitlines() == [
        f"mytool sends pseudonymous usage data to Example Foundation, because {SEND} says yes. "
        "About it: https://example.org/analytics"
    ]
    user.quietly(shell, RECORD, **DEPLOYED)
    one, other = remembered(user)
    assert one["anonymousId"] == other["anonymousId"]
    assert isinstance(one["context"], dict)
    assert (one["context"]["container"], one["context"]["ephemeral"]) == ("other", True)
    assert gate.check(one, manifest.load(str(user.manifest)).events).event == one
    assert list(user.home.iterdir()) == []
    assert {path.stat().st_mode & 0o777 for path in user.memory.rglob("*") if path.is_dir()} == {0o700}


def test_python_does_not_say_again_what_the_shell_has_said(user: ShellUser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "MEMORY", str(user.memory))
    monkeypatch.setattr(containers, "DISK", "/")
    user.sh("dash", RECORD, **DEPLOYED)
    assert Path(containers.memory_of(TOOL), deployment.TOLD).exists()


@every_shell
def test_a_hand_over_without_a_spool_has_the_launchers_id_and_says_nothing(shell: str, user: ShellUser) -> None:
    user.quietly(shell, RECORD, **handed(user), HOME="/nonexistent")
    [event] = remembered(user)
    assert event["anonymousId"] == ID
    assert "ephemeral" not in str(event)


@every_shell
def test_no_notice_is_shown_to_an_agent_or_to_whom_something_was_handed_over(shell: str, user: ShellUser) -> None:
    for environ in ({detection.AGENTS[-1]: "1"}, handed(user, "another"), {environment.HANDOVER: "1:off"}):
        assert user.sh_on_terminal(shell, ":", **environ).terminal == ""
    assert list(user.home.iterdir()) == []
    user.sh_inform(shell)


def lived_in(user: ShellUser) -> None:
    (user.home / ".local/state/mytool/analytics").mkdir(parents=True)


def with_an_id(user: ShellUser) -> None:
    folder = user.home / ".config/mytool/analytics"
    folder.mkdir(parents=True)
    (folder / "client-id").write_text(f"{ID}\n", encoding="ascii")


def with_a_no(user: ShellUser) -> None:
    folder = user.home / ".config/mytool/analytics"
    folder.mkdir(parents=True)
    (folder / "choice").write_text("off\n", encoding="ascii")


def without_a_home(user: ShellUser) -> None:
    user.home.rmdir()


def nothing(_: ShellUser) -> None:
    """A container as it was started."""


SITUATIONS = {
    "as it was started": (nothing, DEPLOYED),
    "nobody said yes": (nothing, {"container": "lxc"}),
    "no container": (nothing, {SEND: "true"}),
    "Kubernetes": (nothing, {SEND: "true", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}),
    "somebody was told": (lived_in, DEPLOYED),
    "an id is there": (with_an_id, DEPLOYED),
    "a saved no": (with_a_no, DEPLOYED),
    "no home": (without_a_home, DEPLOYED),
    "a home that is no path": (nothing, {**DEPLOYED, "HOME": ""}),
    "an empty hand-over": (nothing, {**DEPLOYED, environment.HANDOVER: ""}),
    "a hand-over of a no": (nothing, {**DEPLOYED, environment.HANDOVER: "1:off"}),
    "a spool without a hand-over": (nothing, {**DEPLOYED, environment.SPOOL: "{spool}"}),
    "a spool": (nothing, {"container": "lxc", environment.HANDOVER: f"1:{ID}:d:on", environment.SPOOL: "{spool}"}),
    "a spool outside": (nothing, {environment.HANDOVER: f"1:{ID}:d:on", environment.SPOOL: "{spool}"}),
    "a spool that is not there": (nothing, {environment.HANDOVER: f"1:{ID}:d:on", environment.SPOOL: "/nonexistent"}),
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_files_lie_where_python_has_them(situation: str, user: ShellUser, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare, environ = SITUATIONS[situation]
    (user.folder / "spool" / "new").mkdir(parents=True)
    environ = {**user.environ, **{key: text.format(spool=user.folder / "spool") for key, text in environ.items()}}
    prepare(user)
    monkeypatch.setattr(containers, "MEMORY", str(user.memory))
    monkeypatch.setattr(containers, "DISK", "/")
    monkeypatch.setattr(detection, "CONTAINERS", [sign for sign in detection.CONTAINERS if sign[0] == "variable"])
    where = storage.locate(TOOL, environ)
    text = 'analytics_status; _analytics_baked; _analytics_locate; echo "$_analytics_spool $_analytics_choice"'
    said = user.sh("dash", text, **environ).stdout.split()
    assert [said[-2], said[-1]] == [where.spool, where.choice]
    assert (where.config in said, where.state in said) == (True, True)
    assert ("NOT" in said) is (
        situation in ("nobody said yes", "a saved no", "a hand-over of a no") or "d:on" in str(environ)
    )


def test_a_volume_is_kept_to(user: ShellUser) -> None:
    if os.stat("/dev/shm").st_dev == os.stat("/").st_dev:
        pytest.skip("has no second file system")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as volume:
        user.sh("dash", RECORD, **DEPLOYED, HOME=volume)
        [path] = Path(volume).rglob("new/*.json")
        assert "ephemeral" not in path.read_text()
    assert not remembered(user)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.parametrize("is_link", [False, True])
def test_a_folder_that_somebody_else_has_made_in_memory_is_not_trusted(is_link: bool, user: ShellUser) -> None:
    folder = user.memory / f"cli-analytics-{os.getuid()}"
    if is_link:
        folder.symlink_to(user.home)
    else:
        folder.mkdir()
        os.chown(folder, 65534, -1)
    assert "NOT recorded" in user.quietly("dash", f"{RECORD}; analytics_status", **DEPLOYED)
    assert [*user.home.iterdir(), *(path for path in user.memory.rglob("*") if path != folder)] == []


@every_shell
def test_the_run_that_ends_a_container_sends_before_it_ends_but_waits_for_nobody(shell: str, user: ShellUser) -> None:
    with recorder() as server:
        environ = {**handed(user), environment.ENDPOINT: server.url}
        user.quietly(shell, f"{RECORD}; analytics_end", **environ)
        assert len(received(server)) == 1
        server.answering.clear()
        begun = time.monotonic()
        user.quietly(shell, f"{RECORD}; analytics_end", **environ)
        assert 0.4 < time.monotonic() - begun < 3
        server.answering.set()
    assert len(remembered(user)) == 1


@every_shell
def test_whoever_a_container_runs_as_may_write_into_the_spool_and_nobody_else(shell: str, user: ShellUser) -> None:
    user.sh_inform(shell)
    user.quietly(shell, "analytics_docker_args")
    spool = Path(user.where.spool)
    assert [oct((spool / name).stat().st_mode & 0o777) for name in ("", "new", "tmp")] == ["0o755", "0o777", "0o777"]
    assert spool.parent.stat().st_mode & 0o777 == 0o700

    for path in (spool, spool / "new", spool.parent):
        path.chmod(0o755)
    words = shlex.split(user.quietly(shell, "analytics_docker_args"))
    assert words[-1] == f"{spool}:/cli-analytics-spool"
    assert (spool / "new").stat().st_mode & 0o777 == 0o755
