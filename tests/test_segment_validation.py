"""Segment's own client, from PyPI, given our messages: it refuses none, and would send what we send."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from messages import SENT_AT, message
from packages import alone, prepare

from cli_analytics import sinks
from cli_analytics.destination import SinkConfig

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
WANTED = "segment-analytics-python==2.4.0"
CONFIG = SinkConfig("segment", "https://collect.example.org", {"write_key": "k"})

# A message a line in; a message as the client would send it, or what it has against it, a line out. It sends nothing.
VALIDATE = """
import json, sys
from dateutil.parser import isoparse
from segment.analytics.client import Client
client = Client("k", send=False)
for line in sys.stdin:
    found = json.loads(line)
    given = {"anonymous_id": found.get("anonymousId"), "context": found["context"], "message_id": found["messageId"]}
    given["timestamp"] = isoparse(found["timestamp"])
    given.update({key: found[key] for key in ("event", "name", "properties", "traits") if key in found})
    try:
        print(json.dumps(getattr(client, found["type"])(**given)[1]))
    except (AssertionError, RuntimeError) as refused:
        print(json.dumps({"refused": str(refused)}))
"""


@pytest.fixture(scope="module")
def python() -> str:
    """A Python that has the client, installed once for each of ours."""
    folder = ROOT / ".cache" / f"{WANTED.replace('==', '-')}-{sys.implementation.cache_tag}"
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder / "lock"):
        if not (folder / "ready").exists():
            prepare(WANTED, [sys.executable, "-m", "venv", "--clear", str(folder / "venv")])
            pip = [str(folder / "venv" / "bin" / "python"), "-m", "pip", "--quiet", "--retries", "2"]
            prepare(WANTED, [*pip, "install", WANTED])
            (folder / "ready").touch()
    return str(folder / "venv" / "bin" / "python")


def test_it_would_send_what_we_send(python: str) -> None:
    events = [
        message(),
        message("report_exported", {"format": "ä\n🜁", "cached": True, "pages": 2**53, "rows": "10-99"}),
        message("tool_closed", {}, context={"ip": "0.0.0.0"}),
        message("home", {"plan": "free"}, type="page"),
        message(properties={"plan": "free"}, type="identify"),
        message(properties={"fill": "x" * 31_000}),
    ]
    [request] = sinks.encode(events, CONFIG, SENT_AT)
    sent = json.loads(gzip.decompress(request.body))["batch"]
    assert validated(python, sent) == [_theirs(item) for item in sent]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"anonymousId": None}, "user_id or anonymous_id must have"),
        ({"anonymousId": ["x"]}, "user_id or anonymous_id must have"),
        ({"event": 7}, "event must have"),
        ({"properties": ["x"]}, "properties must have"),
        ({"context": ["x"]}, "context must have"),
        ({"properties": {"fill": "x" * 32_768}}, "Message exceeds %skb limit"),
        ({"type": "page", "name": 7}, "name must have"),
        ({"type": "page", "properties": ["x"]}, "properties must have"),
        ({"type": "identify", "traits": ["x"]}, "traits must have"),
    ],
)
def test_it_refuses_what_is_no_message_of_segments(python: str, changes: dict[str, Any], said: str) -> None:
    [refused] = validated(python, [{**message(type=changes.get("type", "track")), **changes}])
    assert said in refused["refused"]


def validated(python: str, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    lines = "".join(f"{json.dumps(item)}\n" for item in messages)
    done = subprocess.run([python, "-c", VALIDATE], input=lines, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def _theirs(item: dict[str, Any]) -> dict[str, Any]:
    """The same message with what the client adds to each, and says in its own name."""
    plain = {key: value for key, value in item.items() if key != "request_ip"}
    return {
        **plain,
        "timestamp": plain["timestamp"].replace("Z", "+00:00"),
        "context": {**plain["context"], "library": {"name": "analytics-python", "version": WANTED.rpartition("=")[2]}},
        "userId": None,
        "integrations": {},
        **({"category": None} if plain["type"] == "page" else {}),
    }
