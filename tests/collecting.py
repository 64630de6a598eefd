"""What the tests of the collector share: one in a process of its own, and a look into its archive."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import subprocess
import sys
import uuid
import zlib
from collections.abc import Iterator
from datetime import datetime, timezone
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
collector.serve([manifest.load(sys.argv[1])], sys.argv[2], port=0, ready=lambda url: print(url, flush=True))
"""
NOON = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)
JSON = {"Content-Type": "application/json"}

Answer = tuple[int, dict[str, Any]]


class Server:
    """A collector in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.archive = folder / "archive"
        analytics = folder / "analytics.toml"
        analytics.write_bytes(MANIFEST)
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(analytics), str(self.archive)],
            cwd=Path(cli_analytics.__file__).parents[1],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        self.port = int(self.process.stdout.readline().rpartition(":")[2])

    def request(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, json.loads(response.read())

    def send(self, *events: dict[str, Any], **batch: Any) -> Answer:
        return self.request("POST", "/v1/batch", json.dumps({"batch": events, **batch}), JSON)

    def archived(self, message_id: object) -> list[dict[str, Any]]:
        return [record for record in records(self.archive) if record["messageId"] == message_id]

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=20)
        return self.process.returncode, errors


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Server]:
    server = Server(folder)
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
    for path in archive.rglob("*.gz"):
        content = path.read_bytes()
        while content:
            member = zlib.decompressobj(31)
            text = member.decompress(content)
            lines += text.splitlines() if member.eof else []
            content = member.unused_data
    return [json.loads(line) for line in lines]


def line(message_id: str) -> dict[str, Any]:
    """The least that can be archived."""
    return {"messageId": message_id}
