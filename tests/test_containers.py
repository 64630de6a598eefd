"""Where the files of a container's run lie. What a real engine makes of it is in tests/engine."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from recorder import recorder
from support import User, user_at
from watch import needs_proc

from cli_analytics import Analytics, containers, disclosure, manifest, recording, storage
from cli_analytics.storage import Storage

YES = {"SEND_ANONYMOUS_USAGE_INFO": "true"}
ID = "0b7e2f9a-1c3d-4e5f-8a9b-0c1d2e3f4a5b"
LINE = (
    "mytool sends pseudonymous usage data to Example Foundation, because SEND_ANONYMOUS_USAGE_INFO says yes."
    " About it: https://example.org/analytics\n"
)
MANIFEST = """\
schema = 1
[tool]
name = "mytool"
controller = "Example Foundation"
contact = "privacy@example.org"
page = "https://example.org/analytics"
[events.report_exported]
why = "Formats"
[events.report_exported.properties]
rows = { bucket = [10, 100] }
"""


class Inside:
    """A container: a disk that an image was made of, a memory, and a spool that a launcher may have mounted."""

    def __init__(self, folder: Path) -> None:
        self.home, self.memory, self.spool = folder / "home", folder / "memory", folder / "spool"
        for made in (self.home, self.memory, self.spool / "new", self.spool / "tmp"):
            made.mkdir(parents=True)
        self.manifest = folder / "analytics.toml"
        self.manifest.write_text(MANIFEST, encoding="utf-8")
        self.environ = {"HOME": str(self.home), "container": "podman", "CLI_ANALYTICS_ENDPOINT": "http://127.0.0.1:9"}

    def handed(self, digest: str = "", *, mounted: bool = False) -> dict[str, str]:
        """What a launcher passes on."""
        told = digest or disclosure.digest(manifest.load(str(self.manifest)))
        handed = {"CLI_ANALYTICS_HANDOVER": f"1:{ID}:{told}:on", "SEND_ANONYMOUS_USAGE_INFO": ""}
        return {**handed, "CLI_ANALYTICS_SPOOL": str(self.spool)} if mounted else handed

    def locate(self, **environ: str) -> Storage:
        return storage.locate("mytool", {**self.environ, **environ})

    def record(self, **environ: str) -> str:
        """Record one event; what that printed. No sender is started."""
        stderr = io.StringIO()
        given = {**self.environ, **environ}
        analytics = Analytics(
            "mytool", version="1.2.3", manifest=self.manifest, record_in_tests=True, environ=given, stderr=stderr
        )
        analytics.record("report_exported", rows=42)
        return stderr.getvalue()

    def events(self, folder: Path) -> list[dict[str, Any]]:
        return [json.loads(path.read_bytes()) for path in sorted((folder / "new").glob("*.json"))]


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inside:
    found = Inside(tmp_path)
    monkeypatch.setattr(containers, "MEMORY", str(found.memory))
    monkeypatch.setattr(containers, "DISK", str(tmp_path))
    monkeypatch.setattr(recording, "start_sender", lambda *_: False)
    return found


def test_a_deployers_yes_is_kept_in_the_memory_and_a_choice_on_the_disk_is_read(inside: Inside) -> None:
    where = inside.locate(**YES)
    assert where.is_ephemeral
    assert {where.config, where.state} == {f"{inside.memory}/cli-analytics-{os.getuid()}/mytool"}
    assert where.choice == f"{inside.home}/.config/mytool/analytics/choice"
    assert inside.record(**YES) == LINE
    assert list(inside.home.iterdir()) == []
    [event] = inside.events(Path(where.spool))
    assert event["context"]["ephemeral"] is True
    assert Path(where.client_id).read_text(encoding="ascii").strip() == event["anonymousId"]
    Path(where.choice).parent.mkdir(parents=True)
    Path(where.choice).write_text("off 2026-01-02\n", encoding="ascii")
    inside.record(**YES)
    assert len(inside.events(Path(where.spool))) == 1


def test_one_line_a_start_of_the_container(inside: Inside) -> None:
    assert [inside.record(**YES) for _ in range(3)] == [LINE, "", ""]
    for path in sorted(inside.memory.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert inside.record(**YES) == LINE


def test_on_a_volume_too_and_there_the_id_stays(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "DISK", "/proc")  # another device
    where = inside.locate(**YES)
    assert not where.is_ephemeral
    assert [inside.record(**YES), inside.record(**YES)] == [LINE, ""]
    assert "ephemeral" not in inside.events(Path(where.spool))[0]["context"]
    for path in sorted(inside.memory.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert inside.record(**YES) == LINE


@pytest.mark.parametrize("known", ["client_id", "stamp"])
def test_who_was_told_at_a_terminal_of_the_container_lives_on_its_disk(inside: Inside, known: str) -> None:
    path = Path(getattr(inside.locate(), known))
    path.parent.mkdir(parents=True)
    path.touch()
    assert not inside.locate(**YES).is_ephemeral


def test_nobody_says_yes_nothing_changes(inside: Inside) -> None:
    for environ in ({}, {"SEND_ANONYMOUS_USAGE_INFO": ""}, {"CLI_ANALYTICS_HANDOVER": ""}):
        where = inside.locate(**environ)
        assert (where.is_ephemeral, where.is_mounted, where.home) == (False, False, str(inside.home))
    where = inside.locate(CLI_ANALYTICS_SPOOL=str(inside.spool))
    assert not where.is_mounted, "nobody handed over"


def test_without_a_memory_no_id_gets_onto_the_disk(inside: Inside) -> None:
    inside.memory.rmdir()
    inside.memory.touch()
    assert inside.record(**YES) == ""
    assert list(inside.home.iterdir()) == []


def test_without_a_memory_the_line_is_said_once_on_a_volume(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "DISK", "/proc")
    inside.memory.rmdir()
    assert [inside.record(**YES), inside.record(**YES)] == [LINE, ""]


def test_another_manifests_hand_over_leaves_no_file(inside: Inside) -> None:
    assert inside.record(**inside.handed("d" * 64)) == ""
    assert list(inside.memory.rglob("*")) == []
    assert list(inside.home.iterdir()) == []


def test_somebody_elses_memory_is_none(inside: Inside) -> None:
    (inside.memory / f"cli-analytics-{os.getuid()}").symlink_to(inside.spool)
    assert "can't be written" in storage.problem(inside.locate(**YES))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
def test_a_folder_of_another_users_is_not_used(inside: Inside) -> None:
    taken = inside.memory / f"cli-analytics-{os.getuid()}"
    taken.mkdir()
    os.chown(taken, 12345, 12345)
    assert "somebody else's" in storage.problem(inside.locate(**YES))


def test_without_a_home_a_yes_needs_none(inside: Inside) -> None:
    where = inside.locate(**YES, HOME="")
    assert where.is_ephemeral
    assert storage.problem(where) == ""


def test_what_a_launcher_hands_over_waits_in_its_spool_as_it_may_leave(inside: Inside) -> None:
    given = inside.handed(mounted=True)
    assert inside.record(**given) == ""
    [path] = (inside.spool / "new").iterdir()
    event = json.loads(path.read_bytes())
    assert (event["anonymousId"], event["properties"]) == (ID, {"rows": "10-99"})
    assert "ephemeral" not in event["context"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644, "the launcher's user is somebody else"
    assert list(inside.home.iterdir()) == []
    assert not Path(inside.locate(**given).client_id).exists()


def test_a_launchers_spool_is_all_that_is_needed(inside: Inside) -> None:
    inside.memory.rmdir()
    given = {**inside.handed(mounted=True), "HOME": str(inside.home / "nowhere")}
    inside.record(**given)
    assert len(inside.events(inside.spool)) == 1
    assert list(inside.home.iterdir()) == []


def test_another_manifests_hand_over_leaves_nothing(inside: Inside) -> None:
    assert inside.record(**inside.handed("d" * 64, mounted=True)) == ""
    assert inside.events(inside.spool) == []


def test_what_is_mounted_is_not_flushed_here(inside: Inside) -> None:
    given = {**inside.environ, **inside.handed(mounted=True)}
    inside.record(**given)
    analytics = Analytics(
        "mytool", version="1.2.3", manifest=inside.manifest, record_in_tests=True, environ=given, stderr=io.StringIO()
    )
    began = time.monotonic()
    assert not analytics.flush(5)
    assert time.monotonic() - began < 1


@needs_proc
def test_who_descends_from_the_first_process_may_end_with_it() -> None:
    chain = [os.getpid()]
    while chain[-1] > 1:
        fields = Path(f"/proc/{chain[-1]}/stat").read_bytes().rpartition(b")")[2].split()
        chain.append(int(fields[1]))
    assert containers.ends_with_us() == (chain[-1] == 1)


@needs_proc
def test_a_run_that_ends_its_container_waits_for_its_event(tmp_path: Path) -> None:
    """A first process of its own: what it starts is killed with it, as in a container."""
    if os.geteuid() != 0 or not containers.is_deployed({**YES, "container": "other"}):
        pytest.skip("needs a namespace of its own")
    with recorder() as server, user_at(tmp_path, server.url) as user:
        user.settle()
        ended = _as_first_process(user, "hello")
        if "unshare failed" in ended.stderr:
            pytest.skip("needs a namespace of its own")
        assert (ended.returncode, ended.stdout) == (0, "hello\n")
        assert len(server.events) == 1
        assert user.senders() == []


def _as_first_process(user: User, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", *user.command, *arguments]
    environ = {**user.environ, **YES, "container": "other"}
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)


if sys.platform == "win32":
    pytest.skip("there is no container in which this runs on Windows", allow_module_level=True)
