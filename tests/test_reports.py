"""Reports: archives made by hand, figures computed by hand."""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("duckdb")

import cli_analytics
from cli_analytics import reports, sinks
from cli_analytics.destination import SinkConfig
from cli_analytics.errors import ArchiveError
from cli_analytics.event import uuid4

COLUMNS = "tool version command runs installations container_starts error_rate median_ms p95_ms".split()
SQL = sorted(Path(reports.__file__).parent.glob("*.sql"))

_numbers = count(1)


def run(command: str | None = "run", duration_ms: int | None = 10, outcome: str = "ok", **changes: Any) -> bytes:
    """One archived run, as a line."""
    app = {"name": changes.pop("tool", "mytool"), "version": changes.pop("version", "1.0")}
    ephemeral = {"ephemeral": changes.pop("ephemeral")} if "ephemeral" in changes else {}
    record = {
        "anonymousId": changes.pop("client_id", "one"),
        "channel": "server",
        "context": {"ip": "0.0.0.0", "app": app, **ephemeral},
        "event": "command_run",
        "messageId": f"id-{next(_numbers)}",
        "properties": {"command": command, "duration_ms": duration_ms, "outcome": outcome},
        "receivedAt": "2026-01-02T03:04:06.250Z",
        "timestamp": "2026-01-02T03:04:05.928Z",
        "type": "track",
        **changes,
    }
    return json.dumps(record).encode() + b"\n"


def archive(folder: Path, *lines: bytes, name: str = "1767323046250.0a1b2c3d.1.gz", one_member: bool = False) -> str:
    path = folder / "archive" / "segment-logs" / "mytool" / "1767312000000" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(b"".join(lines)) if one_member else b"".join(map(gzip.compress, lines)))
    return str(folder / "archive")


def answered(archive: str, folder: Path, **options: Any) -> list[list[str]]:
    """The rows of commands.csv."""
    (path,) = reports.write(archive, str(folder / "out"), **{"warn": pytest.fail, **options})
    assert path == str(folder / "out" / "commands.csv")
    with Path(path).open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == COLUMNS
    return rows


def test_commands_are_counted_by_tool_and_version(tmp_path: Path) -> None:
    lines = [
        *(run("build", duration, client_id=f"client {duration % 3}") for duration in range(1, 21)),
        run("build", 7, version="1.1"),
        run("test", 30, "error"),
        run("test", 10, "usage_error", client_id="two"),
        run("test", 20, "aborted"),
        run("lint", 5, tool="another"),
        run("test", 40, "broken_pipe"),
        run("test", 50, "ok"),
        run("test", 60, "ok"),
        run("test", None, "ok"),
    ]
    assert answered(archive(tmp_path, *lines), tmp_path) == [
        ["another", "1.0", "lint", "1", "1", "0", "0.0", "5", "5"],
        ["mytool", "1.0", "build", "20", "3", "0", "0.0", "10", "19"],
        ["mytool", "1.0", "test", "7", "2", "0", "0.2857", "30", "60"],
        ["mytool", "1.1", "build", "1", "1", "0", "0.0", "7", "7"],
    ]


def test_the_most_frequent_command_comes_first_and_one_without_a_name_is_another(tmp_path: Path) -> None:
    rows = answered(archive(tmp_path, run("b"), run("a"), run(None, None), run(None, None)), tmp_path)
    assert [row[2:] for row in rows] == [
        ["<other>", "2", "1", "0", "0.0", "", ""],
        ["a", "1", "1", "0", "0.0", "10", "10"],
        ["b", "1", "1", "0", "0.0", "10", "10"],
    ]


def test_an_event_that_was_sent_again_counts_once_as_it_came_first(tmp_path: Path) -> None:
    second = run("run", 99, messageId="same", receivedAt="2026-01-02T03:09:00.000Z")
    first = run("run", 10, messageId="same")
    archive(tmp_path, second, first)
    again = archive(tmp_path, second, name="1767323047000.ffffffff.1.gz")
    assert answered(again, tmp_path) == [["mytool", "1.0", "run", "1", "1", "0", "0.0", "10", "10"]]


def test_an_id_that_is_gone_with_its_container_is_a_start_and_no_installation(tmp_path: Path) -> None:
    lines = [
        *(run("serve", client_id=f"start {number % 3}", ephemeral=True) for number in range(6)),
        run("serve", client_id="one"),
        run("serve", client_id="one"),
        run("serve", client_id="one", version="1.1"),
        run("serve", client_id="start 9", version="1.1", ephemeral=True),
        run("migrate", client_id="start 0", ephemeral=True),
    ]
    assert [row[1:6] for row in answered(archive(tmp_path, *lines), tmp_path)] == [
        ["1.0", "serve", "8", "1", "3"],
        ["1.0", "migrate", "1", "0", "1"],
        ["1.1", "serve", "2", "1", "1"],
    ]


@pytest.mark.parametrize("said", [False, None, "", "false", "yes", 1, {}, ["true"]])
def test_only_what_says_so_is_a_start(tmp_path: Path, said: Any) -> None:
    assert answered(archive(tmp_path, run(ephemeral=said)), tmp_path)[0][4:6] == ["1", "0"]


def test_what_the_collector_archives_is_counted_by_the_command(tmp_path: Path) -> None:
    pytest.importorskip("uvicorn")
    from collecting import GOOGLE_MANIFEST, event, running

    made_here = {"ip": "0.0.0.0", "app": {"name": "mytool", "version": "1.2.3"}, "ephemeral": True}
    events = [event(anonymousId=uuid4(), context=made_here) for _ in range(3)] + [event()]
    sinks_of = [
        ("segment", {"write_key": "K"}),
        ("ga4", {"measurement_id": "K", "api_secret": "S"}),
        ("universal", {"tracking_id": "K"}),
    ]
    with running(tmp_path, GOOGLE_MANIFEST.format(tool="mytool", key="K").encode()) as server:
        for kind, settings in sinks_of:
            config = SinkConfig(kind, f"http://127.0.0.1:{server.port}", settings)
            shifted = [
                {**item, "messageId": uuid4(), "properties": {"command": f"by-{kind}", "outcome": "ok"}}
                for item in events
            ]
            for request in sinks.encode(shifted, config, "2026-01-02T03:04:06.000Z"):
                path = request.url.partition(str(server.port))[2]
                assert server.exchange("POST", path, request.body, dict(request.headers))[0] in (200, 204)
        command = [sys.executable, "-m", "cli_analytics", "report", str(server.archive), "--out", str(tmp_path / "out")]
        subprocess.run(command, check=True, capture_output=True)
    with (tmp_path / "out" / "commands.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    counted = {row["command"]: (row["runs"], row["installations"], row["container_starts"]) for row in rows}
    assert counted == dict.fromkeys(["by-segment", "by-ga4", "by-universal"], ("4", "1", "3"))


def test_files_that_segment_wrote_can_be_read(tmp_path: Path) -> None:
    lines = [
        run(type="identify", event=None, traits={"plan": "free"}, properties=None, userId="user-1"),
        run(type="page", event=None, name="Home"),
        run(event="Order Completed", properties={"total": 12.5, "command": ["a"]}),
        run(event="command_run", context=None, properties=None),
        run("run", 12, receivedAt="2026-01-02T03:04:06Z", unknown={"key": [1, 2]}),
    ]
    assert answered(archive(tmp_path, *lines, one_member=True), tmp_path) == [
        ["<unknown>", "<unknown>", "<other>", "1", "1", "0", "0.0", "", ""],
        ["mytool", "1.0", "run", "1", "1", "0", "0.0", "12", "12"],
    ]


def test_days_are_utc_and_both_included(tmp_path: Path) -> None:
    moments = ["01-01T23:59:59.999Z", "01-02T00:00:00.000Z", "01-03T23:59:59.999Z", "01-04T01:59:00.000+02:00"]
    lines = [run(f"c{number}", timestamp=f"2026-{moment}") for number, moment in enumerate(moments)]
    lines += [run("later", timestamp="2026-01-04T00:00:00.000Z"), run("no-time", timestamp=None)]
    rows = answered(archive(tmp_path, *lines), tmp_path, since=date(2026, 1, 2), until=date(2026, 1, 3))
    assert [row[2] for row in rows] == ["c1", "c2", "c3", "no-time"]


def test_one_tool_can_be_asked_for(tmp_path: Path) -> None:
    both = archive(tmp_path, run(tool="one"), run(tool="two"))
    assert [row[0] for row in answered(both, tmp_path, tool="two")] == ["two"]
    assert answered(both, tmp_path, tool="three") == []


@pytest.mark.parametrize("cut", [1, 9, 60, 100_000])
def test_a_torn_end_loses_only_what_is_torn(tmp_path: Path, cut: int) -> None:
    whole = archive(tmp_path, run("whole"), name="whole.gz")
    torn = archive(tmp_path, run("before"), run("torn", traits=[*range(10_000)]), name="torn.gz")
    (path,) = Path(torn).rglob("torn.gz")
    last = gzip.compress(run("torn", traits=[*range(10_000)]))
    path.write_bytes(gzip.compress(run("before")) + last[: -min(cut, len(last) - 5)])
    warnings: list[str] = []
    commands = {row[2] for row in answered(whole, tmp_path, warn=warnings.append)}
    assert {"before", "whole"} <= commands <= {"before", "whole", "torn"}
    assert all(str(path) in warning for warning in warnings)


def test_a_torn_end_is_named_in_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torn = archive(tmp_path, run("whole"), b"x" + bytes(range(256)) * 9)
    (path,) = Path(torn).rglob("*.gz")
    path.write_bytes(path.read_bytes()[:-20])
    reports.write(torn, str(tmp_path / "out"))
    assert f"warning: {path}: " in capsys.readouterr().err


@pytest.mark.parametrize("garbage", [bytes(4096), b"garbage", b"\x1f\x8b\x08\x00" + b"\xff" * 60])
def test_a_broken_end_loses_only_what_is_broken(tmp_path: Path, garbage: bytes) -> None:
    broken = archive(tmp_path, run("first"), run("second"))
    (path,) = Path(broken).rglob("*.gz")
    path.write_bytes(path.read_bytes() + garbage)
    warnings: list[str] = []
    assert {row[2] for row in answered(broken, tmp_path, warn=warnings.append)} == {"first", "second"}
    assert str(path) in warnings[0]


def test_a_file_that_was_never_written_to_is_nothing_to_warn_of(tmp_path: Path) -> None:
    created = archive(tmp_path, run())
    archive(tmp_path, name="empty.gz")
    assert len(answered(created, tmp_path)) == 1


def test_lines_that_are_no_records_are_left_out_with_a_warning(tmp_path: Path) -> None:
    warnings: list[str] = []
    odd = archive(tmp_path, run(), b'{"messageId": "tor\n', b"[1]\n", run())
    assert [row[3] for row in answered(odd, tmp_path, warn=warnings.append)] == ["2"]
    (path,) = Path(odd).rglob("*.gz")
    assert warnings == [f"{path}: 2 of its lines can't be read and are left out"]


def test_an_archive_without_events_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="missing: there is no such folder; give"):
        reports.write(str(tmp_path / "missing"), str(tmp_path / "out"))
    with pytest.raises(ArchiveError, match="there are no events"):
        reports.write(str(tmp_path), str(tmp_path / "out"))
    with pytest.raises(ArchiveError, match="is a folder"):
        reports.write("s3://bucket/archive", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_report_replaces_the_last_one_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    once = archive(tmp_path, run("old"))
    answered(once, tmp_path)
    archive(tmp_path, run("new"))
    assert [row[2] for row in answered(once, tmp_path)] == ["new"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["commands.csv"]


@pytest.mark.parametrize("path", SQL, ids=lambda path: path.name)
def test_sql_begins_with_the_question(path: Path) -> None:
    comment, _, _ = path.read_text(encoding="utf-8").partition("\n--\n" if path.stem != "events" else "\ncreate")
    assert comment.startswith("-- ") and "?" in comment


def test_without_the_extra_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['duckdb'] = None\n"
        "from cli_analytics import errors, reports\n"
        "try: reports.write('.', '.')\n"
        "except errors.CliAnalyticsError as error: print(error)"
    )
    root = Path(cli_analytics.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert "pip install 'cli-analytics[reports]'" in done.stdout
