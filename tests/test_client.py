"""The door: what a host calls, in its own process."""

from __future__ import annotations

import io
import json
import os
import time
from pathlib import Path
from typing import Any, Optional

import pytest

from cli_analytics import Analytics, breaker, recording, storage
from cli_analytics.spool import Spool

MANIFEST = """\
schema = 1
[tool]
name = "mytool"
controller = "Example"
contact = "privacy@example.org"
[events.report_exported]
why = "Formats"
[events.report_exported.properties]
format = { one_of = ["csv", "json"] }
rows = { bucket = [10, 100] }
"""


class Host:
    """A host in a home of its own, whose user said yes by variable."""

    def __init__(self, folder: Path, manifest: str = MANIFEST, **environ: str) -> None:
        (folder / "analytics.toml").write_text(manifest, encoding="utf-8")
        self.environ = {
            "HOME": str(folder / "home"),
            "SEND_ANONYMOUS_USAGE_INFO": "true",
            "CLI_ANALYTICS_ENDPOINT": "http://127.0.0.1:9",
            **environ,
        }
        self.stderr = io.StringIO()
        self.analytics = Analytics(
            "mytool",
            version="1.2.3",
            manifest=folder / "analytics.toml",
            record_in_tests=True,
            environ=self.environ,
            stderr=self.stderr,
        )
        self.where = storage.locate("mytool", self.environ)
        os.makedirs(self.where.state)
        self.lock = storage.lock(self.where.sender_lock)  # so that no sender is started

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(content) for content in Spool(self.where.spool).peek()]


def host(folder: Path, manifest: str = MANIFEST, **environ: str) -> Host:
    return Host(folder, manifest, **environ)


def test_an_event_waits_as_a_segment_message(tmp_path: Path) -> None:
    mine = host(tmp_path)
    mine.analytics.record("report_exported", format="csv", rows=42)
    (event,) = mine.events()
    assert (event["type"], event["event"]) == ("track", "report_exported")
    assert event["properties"] == {"format": "csv", "rows": 42}
    assert event["context"]["app"] == {"name": "mytool", "version": "1.2.3"}
    assert event["context"]["ip"] == "0.0.0.0"
    assert mine.stderr.getvalue().count("\n") <= 1, "in a container, one line on the deployer's yes"


def test_all_events_of_an_installation_have_one_id(tmp_path: Path) -> None:
    mine = host(tmp_path)
    mine.analytics.feature("dark_mode")
    mine.analytics.record("report_exported")
    assert len({event["anonymousId"] for event in mine.events()}) == 1
    assert len({event["messageId"] for event in mine.events()}) == 2
    assert {event["context"]["sessionId"] for event in mine.events()} == {mine.analytics.session_id}
    assert abs(mine.analytics.session_id - time.time()) < 60


def test_debug_prints_what_would_be_sent_and_records_nothing(tmp_path: Path) -> None:
    mine = host(tmp_path, CLI_ANALYTICS_DEBUG="1")
    mine.analytics.record("report_exported", format="csv", rows=42, path="/home/ada")
    problem, event = mine.stderr.getvalue().splitlines()
    assert "'path'" in problem
    assert json.loads(event)["properties"] == {"format": "csv", "rows": "10-99"}
    assert mine.events() == []
    assert not os.path.exists(mine.where.client_id)


def test_debug_says_that_an_event_is_not_declared(tmp_path: Path) -> None:
    mine = host(tmp_path, CLI_ANALYTICS_DEBUG="1")
    mine.analytics.record("report_deleted")
    assert mine.stderr.getvalue() == "mytool analytics: an event that the manifest does not declare\n"


def test_debug_says_why_nothing_is_recorded(tmp_path: Path) -> None:
    mine = host(tmp_path, CLI_ANALYTICS_DEBUG="1", DO_NOT_TRACK="1")
    mine.analytics.record("report_exported")
    assert "DO_NOT_TRACK is set (environment)" in mine.stderr.getvalue()


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (MANIFEST.replace("schema = 1", "schema = = 1"), "is not TOML"),
        (MANIFEST.replace('"mytool"', '"other"'), "tool.name: is 'other'. Allowed: mytool"),
        (MANIFEST.replace("one_of", "any_of"), "format.type: None is no kind of property"),
        ("", "schema: is 'missing'"),
    ],
)
def test_a_broken_manifest_means_off_and_only_debug_says_why(tmp_path: Path, manifest: str, said: str) -> None:
    (tmp_path / "silent").mkdir()
    silent = host(tmp_path / "silent", manifest)
    silent.analytics.record("report_exported", format="csv")
    assert (silent.events(), silent.stderr.getvalue()) == ([], "")
    (tmp_path / "loud").mkdir()
    loud = host(tmp_path / "loud", manifest, CLI_ANALYTICS_DEBUG="1")
    loud.analytics.record("report_exported", format="csv")
    assert said in loud.stderr.getvalue()
    assert loud.stderr.getvalue().count("\n") == 1


def test_a_missing_manifest_means_off(tmp_path: Path) -> None:
    mine = host(tmp_path)
    (tmp_path / "analytics.toml").unlink()
    mine.analytics.record("report_exported")
    assert (mine.events(), mine.stderr.getvalue()) == ([], "")


@pytest.mark.parametrize("setting", [False, True, None])
def test_the_hosts_own_setting_can_only_say_no(tmp_path: Path, setting: Optional[bool]) -> None:
    mine = host(tmp_path)
    mine.analytics.host_setting = setting
    mine.analytics.record("report_exported")
    assert len(mine.events()) == (0 if setting is False else 1)


@pytest.mark.parametrize("value", [object(), {1, 2}, float("nan"), b"bytes", 1j])
def test_a_value_that_is_no_json_loses_the_event_and_nothing_else(tmp_path: Path, value: object) -> None:
    mine = host(tmp_path)
    mine.analytics.record("report_exported", format=value)
    mine.analytics.record("report_exported", format="csv")
    assert [event["properties"] for event in mine.events()] == [{"format": "csv"}]


def test_an_event_too_large_for_segment_is_not_kept(tmp_path: Path) -> None:
    mine = host(tmp_path)
    mine.analytics.record("report_exported", format="x" * 40_000)
    assert mine.events() == []


def test_an_off_while_the_host_lives_ends_recording(tmp_path: Path) -> None:
    mine = host(tmp_path)
    mine.analytics.record("report_exported")
    storage.replace(mine.where.choice, b"off\n")
    mine.analytics.record("report_exported")
    assert len(mine.events()) == 1


def test_flush_says_whether_everything_is_gone(tmp_path: Path) -> None:
    mine = host(tmp_path)
    assert mine.analytics.flush(timeout=0.1)
    mine.analytics.record("report_exported")
    assert not mine.analytics.flush(timeout=0.1)


def test_a_changed_comment_asks_for_no_new_notice_and_is_parsed_once(tmp_path: Path) -> None:
    mine = host(tmp_path)
    mine.analytics.record("report_exported")
    before = Path(mine.where.stamp).read_bytes()
    (tmp_path / "analytics.toml").write_text("# a comment\n" + MANIFEST, encoding="utf-8")
    mine.analytics.record("report_exported")
    after = Path(mine.where.stamp).read_bytes()
    assert b"# a comment" in after
    assert before.split(b"\n\n")[0] == after.split(b"\n\n")[0]


def test_a_run_and_the_breaker_agree_on_the_longest_pause() -> None:
    assert recording.LONGEST_PAUSE_SECONDS == breaker.LONGEST_PAUSE_SECONDS


def test_what_was_recorded_before_the_notice_is_off_for_the_whole_run(tmp_path: Path) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    mine = host(tmp_path, SEND_ANONYMOUS_USAGE_INFO="")
    terminal = Terminal()
    first = Analytics(
        "mytool",
        version="1.2.3",
        manifest=tmp_path / "analytics.toml",
        record_in_tests=True,
        environ=mine.environ,
        stderr=terminal,
    )
    first.record("report_exported")
    first.record("report_exported")
    assert terminal.getvalue().count("Nothing was recorded in this run.") == 1
    assert mine.events() == []
    mine.analytics.record("report_exported")
    assert len(mine.events()) == 1


def test_after_the_endpoint_is_gone_nothing_is_kept_until_an_upgrade(tmp_path: Path) -> None:
    mine = host(tmp_path)
    breaker.stop(mine.where, (), "any", "1.2.3")
    mine.analytics.record("report_exported")
    assert mine.events() == []
    mine.analytics.version = "1.2.4"
    mine.analytics.record("report_exported")
    assert len(mine.events()) == 1
