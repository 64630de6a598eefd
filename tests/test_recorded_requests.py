"""What real clients have sent, replayed over a socket byte for byte: what of it is archived, and what is only counted.

tests/data/requests/*.jsonl. The manifest declares what is in them under the names that the clients use, which no
analytics.toml may: it is made here, in the collector's process.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pytest.importorskip("msgspec")
pytest.importorskip("uvicorn")

from collecting import Server, counted, records, running

from cli_analytics.collector import ga4, segment, universal
from cli_analytics.collector.protocol import Call
from cli_analytics.collector.record import moment

FOLDER = Path(__file__).parent / "data" / "requests"
SERVE = """
import sys
from cli_analytics import collector
from cli_analytics.destination import SinkConfig
from cli_analytics.manifest import Manifest, Policy, Tool
from cli_analytics.properties import Boolean, Declaration, Integer, OneOf, Version

def declared(**properties): return Declaration("As recorded", properties)

tool = Tool("demo", "Example Foundation", "privacy@example.org", "", "")
phone = tool._replace(name="phone")
sinks = (
    SinkConfig("segment", "https://collect.example.org", {"write_key": "WRITE_KEY_1"}),
    SinkConfig("ga4", "https://collect.example.org", {"measurement_id": "G-TEST12345", "api_secret": "SECRET"}),
    SinkConfig("universal", "https://collect.example.org", {"tracking_id": "UA-123456-1"}),
)
app = (SinkConfig("ga4", "https://collect.example.org", {"measurement_id": "1:1234:android:abc", "api_secret": "S"}),)
events = {
    "Run Started": declared(workers=Integer(0, 99), ok=Boolean()),
    "Minimal": declared(),
    "E": declared(),
    "N": declared(i=Integer(0, 999)),
    "Quickstart": declared(url=OneOf(("https://example.invalid/q",))),
    "identify": declared(plan=OneOf(("free",)), size=Integer(0, 9)),
    "run_started": declared(workers=Integer(0, 99), tool_version=Version()),
    "tick": declared(i=Integer(0, 99)),
    "run": declared(category=OneOf(("cli",)), label=OneOf(("label é & co",)), value=Integer(0, 9)),
    "pageview": declared(path=OneOf(("/my-page/",)), title=OneOf(("My Page",)), host=OneOf(("example.invalid",)),
                         referrer=OneOf(("https://r.invalid/",))),
}
manifests = [Manifest(tool, Policy(), sinks, events), Manifest(phone, Policy(), app, events)]
collector.serve(manifests, sys.argv[1], port=0, ready=lambda url: print(url, flush=True))
"""


class Recorded(NamedTuple):
    """A request of a client, as it was on the wire."""

    client: str
    scenario: str
    number: int
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def wire(self) -> bytes:
        head = [f"{self.method} {self.target} HTTP/1.1", *(f"{name}: {value}" for name, value in self.headers)]
        return "\r\n".join([*head, "", ""]).encode() + self.body


class Replayed(NamedTuple):
    """What was answered to it, counted and archived."""

    request: Recorded
    status: int
    content_type: str | None
    content: bytes
    counts: Mapping[str, int]
    records: list[dict[str, Any]]


def recorded(client: str) -> Iterator[Recorded]:
    for line in (FOLDER / f"{client}.jsonl").read_text(encoding="utf-8").splitlines():
        found = json.loads(line)
        headers = tuple((name, value) for name, value in found["headers"])
        target = found["target"]
        yield Recorded(found["client"], found["scenario"], found["seq"], found["method"], target, headers, _body(found))


def _body(found: Mapping[str, Any]) -> bytes:
    if found["body_b64"]:
        body = base64.b64decode(found["body_b64"])
    elif found["body_json"] is not None:  # as json.dumps of the client has it
        body = json.dumps(found["body_json"]).encode()
    else:
        body = found["body_text"].encode()
    assert len(body) == found["wire_len"]
    return body


REQUESTS = {client: list(recorded(client)) for client in sorted(path.stem for path in FOLDER.glob("*.jsonl"))}
USER_ONLY = ("400", "413", "401", "503", "429", "500", "204", "202", "302")  # scenarios whose event has a userId only


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Replayed]]:
    """All of them in order, each client's into a collector of its own."""
    found = {}
    for client, requests in REQUESTS.items():
        with running(tmp_path_factory.mktemp(client), serve=SERVE) as server:
            found[client] = [_replay(server, request) for request in requests]
    return found


def _replay(server: Server, request: Recorded) -> Replayed:
    before, archived = server.counts(), len(records(server.archive))
    status, headers, content = server.replay(request.wire)
    counts = counted(server.counts(), before)
    return Replayed(request, status, headers["Content-Type"], content, counts, records(server.archive)[archived:])


def test_all_of_them_are_here() -> None:
    assert {client: len(requests) for client, requests in REQUESTS.items()} == {
        "ga4mp": 7,
        "google-measurement-protocol": 2,
        "segment-analytics-python": 28,
    }


def test_each_is_answered_as_its_client_expects(replayed: dict[str, list[Replayed]]) -> None:
    for each in replayed["ga4mp"]:
        expected = (200, "application/json") if "/debug/" in each.request.target else (204, None)
        assert (each.status, each.content_type) == expected
    for each in replayed["google-measurement-protocol"]:
        assert (each.status, each.content_type, each.content[:6]) == (200, "image/gif", b"GIF89a")
    for each in replayed["segment-analytics-python"]:
        status, success = (404, False) if each.request.target == "/moved" else (200, True)
        assert (each.status, json.loads(each.content)["success"]) == (status, success)


def test_ga4mp_arrives_with_names_properties_and_times(replayed: dict[str, list[Replayed]]) -> None:
    started = ("demo", "run_started", {"workers": 4, "tool_version": "1.2.3"})
    expected: list[list[Any]] = [
        [started],
        [],
        [started],
        [("demo", "tick", {"i": number}) for number in range(25)],
        [("demo", "tick", {"i": number}) for number in range(25, 30)],
        [("demo", "tick", {"i": 1})],
        [("phone", "run_started", {"workers": 4})],
    ]
    assert [list(map(_essence, each.records)) for each in replayed["ga4mp"]] == expected
    assert [each.counts for each in replayed["ga4mp"]] == [
        {"archived": len(events)} if events else {} for events in expected
    ]
    every = [record for each in replayed["ga4mp"] for record in each.records]
    assert Counter(record["anonymousId"] for record in every) == {
        "1234567890.1767323045": 33,
        "0123456789abcdef0123456789abcdef": 1,
    }
    assert {record["context"]["sessionId"] for record in every} == {1795283627}
    assert {record["context"].get("os", {}).get("name") for record in every} == {"Linux", None}
    dated = [record["timestamp"] for number in (2, 5) for record in replayed["ga4mp"][number].records]
    assert dated == ["2026-11-21T12:53:47.000Z", "2026-11-21T17:53:47.751Z"]


def test_what_ga4mp_asks_to_be_validated_is_told_to_be_valid_and_not_archived(
    replayed: dict[str, list[Replayed]],
) -> None:
    answer = replayed["ga4mp"][1]
    assert answer.request.target.startswith("/debug/mp/collect")
    assert (json.loads(answer.content), answer.counts) == ({"validationMessages": []}, {})


def test_google_measurement_protocol_arrives_with_names_and_properties(replayed: dict[str, list[Replayed]]) -> None:
    page = {"path": "/my-page/", "title": "My Page", "host": "example.invalid", "referrer": "https://r.invalid/"}
    assert [list(map(_essence, each.records)) for each in replayed["google-measurement-protocol"]] == [
        [("demo", "run", {"category": "cli", "label": "label é & co", "value": 3})],
        [("demo", "pageview", page)],
    ]
    found = [record for each in replayed["google-measurement-protocol"] for record in each.records]
    assert {record["anonymousId"] for record in found} == {"35009a79-1a05-49d7-b876-2b884d0f825b"}


def test_segment_arrives_with_names_properties_and_corrected_times(replayed: dict[str, list[Replayed]]) -> None:
    found = {each.request[1:3]: each for each in replayed["segment-analytics-python"]}
    plain = found["batch gzip=False", 1]
    assert list(map(_essence, plain.records)) == [
        ("demo", "identify", {"plan": "free", "size": 3}),
        ("demo", "Run Started", {"workers": 4, "ok": True}),
        ("demo", "Minimal", {}),
    ]
    assert plain.counts == {"archived": 3, "undeclared": 4}  # a page, screen, group and alias of a mere userId
    for record in plain.records:
        received, corrected, sent, original = (
            moment(record[key]) for key in ("receivedAt", "timestamp", "sentAt", "originalTimestamp")
        )
        assert received and corrected and sent and original
        assert abs((received - corrected) - (sent - original)).total_seconds() < 0.002
    assert plain.records[1]["context"]["app"] == {"name": "demo", "version": "1.2.3"}
    assert all(record["context"]["library"]["name"] == "analytics-python" for record in plain.records)
    assert {(record["writeKey"], record["userId"]) for record in plain.records} == {("WRITE_KEY_1", None)}


def test_what_segment_sends_again_is_known_by_its_id(replayed: dict[str, list[Replayed]]) -> None:
    found = {each.request[1:3]: each for each in replayed["segment-analytics-python"]}
    zipped = found["batch gzip=True", 1]
    assert list(map(_essence, zipped.records)) == [("demo", "Minimal", {})]
    assert zipped.counts == {"archived": 1, "repeated": 2, "undeclared": 4}
    alone = [found["sync_mode (one request per call)", number] for number in range(1, 8)]
    assert [each.counts for each in alone] == [
        {"repeated": 1},
        {"repeated": 1},
        *[{"undeclared": 1}] * 4,
        {"archived": 1},
    ]


def test_an_event_of_a_user_and_no_installation_is_only_counted(replayed: dict[str, list[Replayed]]) -> None:
    every = replayed["segment-analytics-python"]
    of_user = [each for each in every if each.request.scenario.startswith(USER_ONLY) and each.request.method == "POST"]
    assert len(of_user) == 15
    assert [each.counts for each in of_user] == [{"undeclared": 1}] * 15
    many = [each.counts for each in every if each.request.scenario.startswith("250 events")]
    assert many == [{"undeclared": 100}, {"undeclared": 100}, {"undeclared": 50}]


def test_segment_is_decoded_in_full_before_the_gate() -> None:
    posts = [request for request in REQUESTS["segment-analytics-python"] if request.method == "POST"]
    events = [event for request in posts for event in segment.events(_call(request, _unzipped(request)))]
    assert Counter((event["type"], event.get("event") or event.get("name")) for event in events) == {
        ("identify", None): 3,
        ("track", "Run Started"): 3,
        ("track", "Minimal"): 3,
        ("page", "Quickstart"): 3,
        ("screen", "Dashboard"): 3,
        ("group", None): 3,
        ("alias", None): 3,
        ("track", "E"): 15,
        ("track", "N"): 250,
    }
    numbers = sorted(event["properties"]["i"] for event in events if event.get("event") == "N")
    assert numbers == list(range(250))
    assert {event["writeKey"] for event in events} == {"WRITE_KEY_1"}


def test_the_others_are_decoded_in_full_before_the_gate() -> None:
    ga4s = [event for request in REQUESTS["ga4mp"] for event in ga4.events(_call(request, request.body))]
    assert Counter(event["event"] for event in ga4s) == {"run_started": 4, "tick": 31}
    hits = REQUESTS["google-measurement-protocol"]
    universals = [event for request in hits for event in universal.events(_call(request, request.body))]
    assert [event["event"] for event in universals] == ["run", "pageview"]


def _essence(record: Mapping[str, Any]) -> tuple[str, str, dict[str, Any]]:
    name = record.get("event") or record.get("name") or record["type"]
    return record["projectId"], name, record.get("properties", record.get("traits"))


def _call(request: Recorded, body: bytes) -> Call:
    path, _, query = request.target.partition("?")
    received = moment("2026-11-22T00:00:00Z")
    assert received
    return Call(path, query.encode(), body, None, received)


def _unzipped(request: Recorded) -> bytes:
    return gzip.decompress(request.body) if ("Content-Encoding", "gzip") in request.headers else request.body
