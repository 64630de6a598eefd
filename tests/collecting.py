"""What the tests of the collector share: one in a process of its own, and a look into its archive."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
import subprocess
import sys
import uuid
import zlib
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from email.message import Message
from pathlib import Path
from typing import Any

import cli_analytics

MANIFEST = b"""
schema = 1
[tool]
name = "mytool"
controller = "Example Foundation"
contact = "privacy@example.org"
"""
SERVE = """
import sys
from cli_analytics import collector, manifest
archive, *manifests = sys.argv[1:]
collector.serve(list(map(manifest.load, manifests)), archive, port=0, ready=lambda url: print(url, flush=True))
"""
# For both of Google's protocols: every kind of property, in an event, a page and an identify.
GOOGLE_MANIFEST = """
schema = 1
[tool]
name = "{tool}"
controller = "Example Foundation"
contact = "privacy@example.org"
[[sinks]]
type = "ga4"
measurement_id = "{key}"
api_secret = "SECRET"
[[sinks]]
type = "universal"
tracking_id = "{key}"
endpoint = "https://collect.example.org"
[events.report_exported]
why = "Which formats deserve work"
[events.report_exported.properties]
format = {{ one_of = ["csv", "json", "1", "true", "a & b=c", "äöü"] }}
rows = {{ bucket = [10, 100] }}
cached = {{ type = "boolean" }}
pages = {{ type = "integer", min = -5, max = 500 }}
needs = {{ type = "version" }}
[events.cli_run]
why = "As in the documentation"
[events.cli_run.properties]
command = {{ one_of = ["run"] }}
workers = {{ type = "integer", min = 0, max = 99 }}
[events.quickstart]
why = "Which pages are read"
[events.quickstart.properties]
cached = {{ type = "boolean" }}
[events.identify]
why = "What they have"
[events.identify.properties]
pages = {{ type = "integer", min = -5, max = 500 }}
"""
PROPERTIES = {"format": "a & b=c", "rows": "10-99", "cached": False, "pages": -3, "needs": "1.2.3rc1"}
CONTEXT = {
    "ip": "0.0.0.0",
    "library": {"name": "cli-analytics", "version": "0.1.0"},
    "app": {"name": "mytool", "version": "1.2.3"},
    "os": {"name": "Linux"},
    "arch": "x86_64",
    "python": "3.11",
    "cpus": 4,
    "sessionId": 1767323045,
    "ci": "none",
    "container": "docker",
    "ephemeral": True,
    "dropped_events": 3,
}
NOON = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)
JSON = {"Content-Type": "application/json"}

Answer = tuple[int, dict[str, Any]]


class Server:
    """A collector in a process of its own."""

    def __init__(self, folder: Path, *manifests: bytes, serve: str = SERVE) -> None:
        self.archive = folder / "archive"
        paths = [folder / f"{number}.toml" for number, _ in enumerate(manifests)]
        for path, content in zip(paths, manifests):
            path.write_bytes(content)
        self.process = subprocess.Popen(
            [sys.executable, "-c", serve, str(self.archive), *map(str, paths)],
            cwd=Path(cli_analytics.__file__).parents[1],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        self.port = int(self.process.stdout.readline().rpartition(":")[2])

    def request(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        status, _, content = self.exchange(method, path, body, headers)
        return status, json.loads(content)

    def exchange(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Message, bytes]:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()

    def replay(self, request: bytes) -> tuple[int, Message, bytes]:
        """Send these bytes as they are."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(request)
            response = http.client.HTTPResponse(connection)
            response.begin()
            return response.status, response.headers, response.read()

    def counts(self) -> dict[str, int]:
        """What has been counted since it was started."""
        return {key: value for key, value in self.request("GET", "/healthz")[1].items() if key != "success"}

    def send(self, *events: dict[str, Any], **batch: Any) -> Answer:
        return self.request("POST", "/v1/batch", json.dumps({"batch": events, **batch}), JSON)

    def archived(self, message_id: object) -> list[dict[str, Any]]:
        return [record for record in records(self.archive) if record["messageId"] == message_id]

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=20)
        return self.process.returncode, errors


@contextlib.contextmanager
def running(folder: Path, *manifests: bytes, serve: str = SERVE) -> Iterator[Server]:
    server = Server(folder, *(manifests or [MANIFEST]), serve=serve)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.communicate()


def event(**changes: Any) -> dict[str, Any]:
    return {
        "type": "track",
        "event": "command_run",
        "messageId": str(uuid.uuid4()),
        "anonymousId": "35009a79-1a05-49d7-b876-2b884d0f825b",
        "timestamp": "2026-01-02T03:04:05.678Z",
        "context": {"ip": "0.0.0.0", "app": {"name": "mytool", "version": "1.2.3"}},
        "properties": {"command": "run", "duration_ms": 12, "outcome": "ok"},
        **changes,
    }


def records(archive: Path) -> list[dict[str, Any]]:
    """Every whole line; a member that a kill has torn counts as absent."""
    lines = []
    for path in sorted(archive.rglob("*.gz")):
        content = path.read_bytes()
        while content:
            member = zlib.decompressobj(31)
            text = member.decompress(content)
            lines += text.splitlines() if member.eof else []
            content = member.unused_data
    return [json.loads(line) for line in lines]


def counted(after: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    """What was counted in between, without what was not."""
    return {key: after[key] - before[key] for key in after if after[key] != before[key]}


def line(message_id: str) -> dict[str, Any]:
    """The least that can be archived."""
    return {"messageId": message_id}
