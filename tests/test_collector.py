"""The collector: a real server process on loopback, real files."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("msgspec")
pytest.importorskip("uvicorn")

from collecting import JSON, MANIFEST, Server, event, records, running

import cli_analytics
from cli_analytics import collector, manifest
from cli_analytics.errors import ArchiveError, ManifestError


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("collector")) as server:
        yield server


def test_an_event_is_archived_as_a_full_segment_record(server: Server) -> None:
    sent = event(integrations={"All": True})
    assert server.send(sent, sentAt="2026-01-02T03:04:06.000Z", writeKey="KEY") == (200, {"success": True})
    (archived,) = server.archived(sent["messageId"])
    received = datetime.strptime(archived["receivedAt"], "%Y-%m-%dT%H:%M:%S.%f%z")
    corrected = datetime.strptime(archived.pop("timestamp"), "%Y-%m-%dT%H:%M:%S.%f%z")
    assert abs(received - corrected - timedelta(milliseconds=322)) <= timedelta(milliseconds=1)
    assert archived == {
        "anonymousId": "35009a79-1a05-49d7-b876-2b884d0f825b",
        "channel": "server",
        "context": {"ip": "0.0.0.0", "app": {"name": "mytool", "version": "1.2.3"}},
        "event": "command_run",
        "integrations": {"All": True},
        "messageId": sent["messageId"],
        "originalTimestamp": "2026-01-02T03:04:05.678Z",
        "projectId": "mytool",
        "properties": {"command": "run", "duration_ms": 12, "outcome": "ok"},
        "receivedAt": archived["receivedAt"],
        "sentAt": "2026-01-02T03:04:06.000Z",
        "type": "track",
        "userId": None,
        "version": 2,
        "writeKey": "KEY",
    }


def test_a_file_lies_where_segment_would_put_it(server: Server) -> None:
    server.send(event())
    (path,) = server.archive.rglob("*.gz")
    folder, tool, day, name = path.relative_to(server.archive).parts
    first, random, sequence, suffix = name.split(".")
    assert (folder, tool, sequence, suffix) == ("segment-logs", "mytool", "1", "gz")
    assert int(day) % 86_400_000 == 0 and 0 <= int(first) - int(day) < 86_400_000
    assert len(random) == 8 and int(random, 16) >= 0


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/batch/", "/v1/b", "/v1/track", "/v1/t", "/v1/track/"])
def test_events_are_taken_on_every_path(server: Server, path: str) -> None:
    sent = event()
    body = {"batch": [sent]} if "/b" in path else {**sent, "type": None}
    assert server.request("POST", path, json.dumps(body), JSON) == (200, {"success": True})
    assert len(server.archived(sent["messageId"])) == 1


@pytest.mark.parametrize("path", ["page", "screen", "identify", "group", "alias", "p", "s", "i", "g", "a"])
def test_calls_that_no_manifest_declares_are_answered_and_not_archived(server: Server, path: str) -> None:
    sent = event()
    assert server.request("POST", f"/v1/{path}", json.dumps(sent), JSON) == (200, {"success": True})
    assert server.archived(sent["messageId"]) == []


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize("encoding", [None, "gzip", "deflate", "raw deflate", "chunked"])
def test_bodies_are_taken_however_they_come(server: Server, content_type: str | None, encoding: str | None) -> None:
    sent = event()
    body = json.dumps({"batch": [sent]}).encode()
    raw = zlib.compressobj(wbits=-15)
    encoded: dict[str, Any] = {
        "gzip": gzip.compress(body),
        "deflate": zlib.compress(body),
        "raw deflate": raw.compress(body) + raw.flush(),
        "chunked": iter([body[:20], body[20:]]),
    }
    headers = {"Content-Encoding": encoding.split()[-1]} if encoding and encoding != "chunked" else {}
    headers |= {"Content-Type": content_type} if content_type else {}
    assert server.request("POST", "/v1/batch", encoded.get(encoding or "", body), headers) == (200, {"success": True})
    assert len(server.archived(sent["messageId"])) == 1


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"", "invalid_request", "malformed JSON"),
        (b'{"batch": [', "invalid_request", "malformed JSON"),
        (b"[" * 100_000, "invalid_request", "not an object"),
        (b'{"batch": ' + b"[" * 100_000, "invalid_request", "malformed JSON"),
        (b"[]", "invalid_request", "the body is not an object"),
        (b"{}", "invalid_request", "batch is not a list"),
        (b'{"batch": [{}, 3]}', "invalid_request", "batch[1] is not an object"),
        (b'{"batch": [{"messageId": ' + b"9" * 5000 + b"}]}", "invalid_request", "in range"),
        (json.dumps({"batch": [{}] * 2501}).encode(), "request_too_large", "2500"),
        (json.dumps({"batch": [{"a": "x" * 33_000}]}).encode(), "event_too_large", "32768"),
        (json.dumps({"batch": [], "context": {"a": "x" * 33_000}}).encode(), "event_too_large", "32768"),
        (b" " * 600_000, "request_too_large", "512000"),
        (b" " * 3_000_000, "request_too_large", "512000"),
    ],
)
def test_a_request_that_is_not_taken_is_told_why(server: Server, body: bytes, code: str, words: str) -> None:
    status, answer = server.request("POST", "/v1/batch", body, JSON)
    assert (status, answer["success"], answer["code"]) == (400, False, code)
    assert words in answer["message"]


@pytest.mark.parametrize(
    ("body", "encoding", "status", "code"),
    [
        (gzip.compress(b" " * 100_000_000), "gzip", 400, "request_too_large"),
        (gzip.compress(b"{}", mtime=0)[:-4], "gzip", 400, "invalid_request"),
        (b"{}", "gzip", 400, "invalid_request"),
        (b"{}", "br", 415, "unsupported_encoding"),
    ],
)
def test_a_bad_encoding_is_refused(server: Server, body: bytes, encoding: str, status: int, code: str) -> None:
    answered, answer = server.request("POST", "/v1/batch", body, {"Content-Encoding": encoding})
    assert (answered, answer["code"]) == (status, code) and answer["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/", 404), ("POST", "/v1/merge", 404), ("GET", "/v1/batch", 405)]
)
def test_other_requests_are_answered_in_json_and_never_redirected(
    server: Server, method: str, path: str, status: int
) -> None:
    answered, answer = server.request(method, path)
    assert answered == status and not answer["success"] and answer["code"] and answer["message"]


def test_what_is_not_declared_is_counted_and_not_archived(server: Server) -> None:
    _, before = server.request("GET", "/healthz")
    stranger = event(context={"app": {"name": "another"}})
    unknown = event(event="password_typed")
    stripped = event(properties={"command": "run", "path": "/home/jane"})
    assert server.send(stranger, unknown, stripped, event(context="none")) == (200, {"success": True})
    _, after = server.request("GET", "/healthz")
    assert {key: after[key] - before[key] for key in ("archived", "undeclared")} == {"archived": 1, "undeclared": 3}
    assert server.archived(stripped["messageId"])[0]["properties"] == {"command": "run"}


def test_what_a_batch_says_once_holds_for_each_event(server: Server) -> None:
    bare = event(context=None, sentAt=None)
    own = event(context={"app": {"version": "2.0"}}, sentAt="2026-01-02T03:04:07.5+00:00")
    server.send(bare, own, context={"app": {"name": "mytool", "version": "1.0"}}, sentAt="2026-01-02T03:04:06Z")
    (first,), (second,) = server.archived(bare["messageId"]), server.archived(own["messageId"])
    assert first["context"] == {"ip": "0.0.0.0", "app": {"name": "mytool", "version": "1.0"}}
    assert second["context"] == {"ip": "0.0.0.0", "app": {"name": "mytool", "version": "2.0"}}
    assert (first["sentAt"], second["sentAt"]) == ("2026-01-02T03:04:06Z", "2026-01-02T03:04:07.5+00:00")


def test_numbers_are_taken_as_ids_and_null_as_absent(server: Server) -> None:
    sent = event(messageId=4711, anonymousId=7, userId=None, timestamp=None, properties=None)
    assert server.send(sent) == (200, {"success": True})
    (archived,) = server.archived("4711")
    assert (archived["anonymousId"], archived["properties"]) == ("7", {})
    assert archived["timestamp"] == archived["originalTimestamp"] == archived["receivedAt"]


def test_the_write_key_is_that_of_basic_authorization_or_else_of_the_body(server: Server) -> None:
    basic, body = event(), event()
    authorization = {"Authorization": "Basic QkFTSUM6"}
    server.request("POST", "/v1/batch", json.dumps({"batch": [basic], "writeKey": "BODY"}), authorization)
    server.send(body, writeKey="BODY")
    assert server.archived(basic["messageId"])[0]["writeKey"] == "BASIC"
    assert server.archived(body["messageId"])[0]["writeKey"] == "BODY"


def test_an_event_that_is_sent_again_is_archived_once(server: Server) -> None:
    sent = event()
    for second in (6, 7):
        assert server.send(sent, sent, sentAt=f"2026-01-02T03:04:0{second}Z") == (200, {"success": True})
    assert len(server.archived(sent["messageId"])) == 1


def test_concurrent_repeats_are_archived_once_and_before_any_is_acknowledged(server: Server) -> None:
    events = [event() for _ in range(20)]

    def archived_when_acknowledged(sent: dict[str, Any]) -> int:
        assert server.send(sent)[0] == 200
        return len(server.archived(sent["messageId"]))

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(archived_when_acknowledged, [sent for sent in events for _ in range(8)])) == {1}


def test_a_kill_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    many = threading.Event()

    def send_until_killed(server: Server) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            while True:
                sent = event()
                assert server.send(sent)[0] == 200
                acknowledged.append(sent["messageId"])
                if len(acknowledged) >= 200:
                    many.set()

    with running(tmp_path) as server, ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            pool.submit(send_until_killed, server)
        assert many.wait(60)
        server.process.kill()
    assert set(acknowledged) <= {record["messageId"] for record in records(server.archive)}


def test_a_later_process_starts_a_file_of_its_own(tmp_path: Path) -> None:
    for _ in range(2):
        with running(tmp_path) as server:
            server.send(event())
            server.process.kill()
    assert len(list(server.archive.rglob("*.gz"))) == 2
    assert len(records(server.archive)) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_server_which_has_said_nothing_about_its_peers(tmp_path: Path, number: int) -> None:
    with running(tmp_path) as server:
        server.send(event())
        server.request("POST", "/v1/batch", b"nonsense")
        assert server.stop(number) == (0, "")
    assert "127.0.0.1" not in json.dumps(records(server.archive))


def test_an_archive_that_fails_is_answered_503_and_the_event_is_taken_when_it_is_sent_again(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        blocked = server.archive / "segment-logs"
        blocked.write_text("a file where a folder should be")
        sent = event()
        status, answer = server.send(sent)
        assert (status, answer["success"], answer["code"]) == (503, False, "archive_unavailable")
        blocked.unlink()
        assert server.send(sent) == (200, {"success": True})
        assert len(server.archived(sent["messageId"])) == 1


def test_an_archive_that_cannot_be_written_is_said_before_it_listens(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for archive in (str(tmp_path / "file" / "archive"), "s3://bucket/archive"):
        with pytest.raises(ArchiveError, match="archive: "):
            collector.serve([], archive, port=0, ready=pytest.fail)


def test_a_port_in_use_is_said_before_it_listens(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        collector.serve([], str(tmp_path), port=taken.getsockname()[1], ready=pytest.fail)


def test_two_manifests_of_one_tool_are_refused(tmp_path: Path) -> None:
    twice = [manifest.parse(MANIFEST)] * 2
    with pytest.raises(ManifestError, match="same name"):
        collector.serve(twice, str(tmp_path), port=0, ready=pytest.fail)


def test_without_the_extra_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['uvicorn'] = None\n"
        "from cli_analytics import collector, errors\n"
        "try: collector.serve([], '.', ready=print)\n"
        "except errors.CliAnalyticsError as error: print(error)"
    )
    root = Path(cli_analytics.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert "pip install 'cli-analytics[collector]'" in done.stdout
