"""The file sink: an archive like the collector's, which the reports read."""

from __future__ import annotations

import gzip
import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from messages import CONTEXT, SENT_AT, message

from cli_analytics import event, sinks
from cli_analytics.destination import SinkConfig
from cli_analytics.sinks.request import Request

CONFIG = SinkConfig("file", "", {"path": "/srv/archive"})
DAY_MS = 1_767_312_000_000  # midnight of 2026-01-02
LATER = "2026-01-03T00:00:00.000Z"


def records(request: Request) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(request.body).splitlines()]


def written(folder: Path, *events: event.Event, sent_at: str = SENT_AT) -> list[Path]:
    """The files of a delivery, as whoever carries a request writes them."""
    requests = sinks.encode(events, CONFIG._replace(settings={"path": str(folder)}), sent_at)
    paths = [Path(request.url.partition(":")[2]) for request in requests]
    for path, request in zip(paths, requests):
        path.parent.mkdir(parents=True, exist_ok=True)
        assert not path.exists()
        path.write_bytes(request.body)
    return paths


def test_events_are_a_file_of_records_in_the_layout_of_segment() -> None:
    first, second = message("e", {"n": 1}, messageId="a-1", context=CONTEXT), message(messageId="a-2")
    [request] = sinks.encode([first, second], CONFIG, SENT_AT)
    assert request.url == f"file:/srv/archive/segment-logs/mytool/{DAY_MS}/1767323046000.a-1.1.gz"
    assert request.headers == {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
    assert request.events == [first, second]
    assert not request.once
    line, rest = sinks.text(request).split("\n", 1)
    assert line == (
        '{"type":"track","event":"e","messageId":"a-1","anonymousId":"35009a79-1a05-49d7-b876-2b884d0f825b",'
        '"timestamp":"2026-01-02T03:04:05.678Z","context":{"ip":"0.0.0.0","library":{"name":"cli-analytics",'
        '"version":"0.1.0"},"app":{"name":"mytool","version":"1.2.3"},"os":{"name":"Linux"},"arch":"x86_64",'
        '"python":"3.11","cpus":4,"ci":"none","container":"docker","sessionId":1767323044},"properties":{"n":1},'
        '"channel":"server","integrations":{},"originalTimestamp":"2026-01-02T03:04:05.678Z","projectId":"mytool",'
        '"receivedAt":"2026-01-02T03:04:06.000Z","sentAt":"2026-01-02T03:04:06.000Z","userId":null,"version":2,'
        '"writeKey":null}'
    )
    assert rest.endswith("}\n") and json.loads(rest)["messageId"] == "a-2"


def test_no_events_are_no_file() -> None:
    assert sinks.encode([], CONFIG, SENT_AT) == []


def test_each_tool_and_each_day_of_sending_has_a_folder_of_its_own() -> None:
    other = {**CONTEXT, "app": {"name": "other", "version": "1"}}
    events = [message(), message(context=other), message(), message(context={"ip": "0.0.0.0"})]
    requests = sinks.encode(events, CONFIG, LATER)
    assert [request.events for request in requests] == [[events[0], events[2]], [events[1]], [events[3]]]
    folders = [request.url.rpartition("/")[0] for request in requests]
    assert folders == [
        f"file:/srv/archive/segment-logs/{tool}/{DAY_MS + 86_400_000}" for tool in ("mytool", "other", "unknown")
    ]
    assert [record["projectId"] for request in requests for record in records(request)] == [
        *("mytool", "mytool", "other", "unknown")
    ]


def test_what_is_written_later_is_another_file(tmp_path: Path) -> None:
    item = message()
    paths = [*written(tmp_path, item), *written(tmp_path, item, sent_at=LATER), *written(tmp_path, message())]
    assert sorted(tmp_path.rglob("*.gz")) == sorted(paths)


def test_a_page_and_an_identify_keep_what_is_theirs() -> None:
    page, identify = message("home", {"n": 1}, type="page"), message(properties={"plan": "free"}, type="identify")
    [request] = sinks.encode([page, identify], CONFIG, SENT_AT)
    found = records(request)
    assert [(one["type"], one.get("name"), one.get("event")) for one in found] == [
        ("page", "home", None),
        ("identify", None, None),
    ]
    assert (found[0]["properties"], found[1]["traits"]) == ({"n": 1}, {"plan": "free"})


@pytest.mark.parametrize("kind", ["track", "page", "identify"])
def test_a_record_is_the_one_that_the_collector_builds(kind: str) -> None:
    pytest.importorskip("msgspec")
    from cli_analytics.collector import record

    item = message(type=kind)
    [request] = sinks.encode([item], CONFIG, SENT_AT)
    received = datetime(2026, 1, 2, 3, 4, 6, tzinfo=timezone.utc)
    built = record.build(item, {**item, "sentAt": SENT_AT}, "mytool", received)
    assert records(request) == [json.loads(record.encode(built))]


def test_the_reports_read_what_it_writes(tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    from cli_analytics.reports import warehouse

    first, second, page = message(), message(properties={"command": "hello"}), message("home", type="page")
    other = message(context={**CONTEXT, "app": {"name": "other", "version": "2"}})
    written(tmp_path, first, page, other)
    written(tmp_path, first, second, sent_at=LATER)  # the first one again, because a sender was killed
    query = "select tool, version, command, duration_ms, cast(happened_at as varchar), message_id from events"
    with warehouse.opened(str(tmp_path), since=None, until=None, tool=None, warn=pytest.fail) as connection:
        found = connection.execute(query).fetchall()
    happened = "2026-01-02 03:04:05.678"
    assert sorted(found) == sorted(
        [
            ("mytool", "1.2.3", "db migrate", 12, happened, first["messageId"]),
            ("mytool", "1.2.3", "hello", None, happened, second["messageId"]),
            ("other", "2", "db migrate", 12, happened, other["messageId"]),
        ]
    )
