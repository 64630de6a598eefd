"""Clients that none of us wrote, from PyPI, pointed at our collector: what they say has been sent is in the archive."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("msgspec")
pytest.importorskip("uvicorn")

from collecting import Server, records, running
from packages import alone, prepare

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
WANTED = ["segment-analytics-python==2.4.0", "ga4mp==2.0.4", "google-measurement-protocol==1.1.0"]
KEPT = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR")

MANIFEST = b"""
schema = 1
[tool]
name = "mytool"
controller = "Example Foundation"
contact = "privacy@example.org"
[[sinks]]
type = "segment"
write_key = "WRITE_KEY"
[[sinks]]
type = "ga4"
measurement_id = "G-TEST12345"
api_secret = "SECRET"
[[sinks]]
type = "universal"
tracking_id = "UA-123456-1"
endpoint = "https://collect.example.org"
[events.report_exported]
why = "Which formats deserve work"
[events.report_exported.properties]
format = { one_of = ["csv", "label \xc3\xa9 & co"] }
cached = { type = "boolean" }
pages = { type = "integer", min = 0, max = 500 }
label = { one_of = ["label \xc3\xa9 & co"] }
value = { type = "integer", min = 0, max = 99 }
[events.start]
why = "Which pages are read"
[events.start.properties]
cached = { type = "boolean" }
[events.identify]
why = "What they have"
[events.identify.properties]
pages = { type = "integer", min = 0, max = 500 }
[events.pageview]
why = "Which pages are read"
[events.pageview.properties]
title = { one_of = ["My Page"] }
"""

SEGMENT = """
import sys
from segment.analytics.client import Client
failures = []
client = Client("WRITE_KEY", host=sys.argv[1], gzip=sys.argv[2] == "gzip", max_retries=0, upload_size=50,
                on_error=lambda error, batch: failures.append(error))
app = {"app": {"name": "mytool", "version": "1.2.3"}}
for number in range(120):
    client.track(anonymous_id="anon-1", event="report_exported", context=app,
                 properties={"pages": number, "cached": True, "format": "label é & co", "path": "/home/jane"})
client.track(anonymous_id="anon-1", event="report_exported")
client.page(anonymous_id="anon-1", name="start", properties={"cached": False}, category="Docs")
client.identify(anonymous_id="anon-1", user_id="jane", traits={"pages": 3, "email": "jane@example.org"})
client.track(anonymous_id="anon-1", event="password_typed")
client.track(user_id="jane", event="report_exported")
client.screen(anonymous_id="anon-1", name="start")
client.flush()
client.shutdown()
assert failures == [], failures
"""
GA4 = """
import datetime, sys
from ga4mp import FirebaseMP, GtagMP
def at(client):
    client._base_domain = sys.argv[1] + "/mp/collect"
    client._validation_domain = sys.argv[1] + "/debug/mp/collect"
    return client
def event(number, name="report_exported"):
    params = {"pages": number, "cached": "true", "format": "csv", "path": "/home/jane"}
    return {"name": name, "params": params}
client = at(GtagMP(api_secret="SECRET", measurement_id="G-TEST12345", client_id="1234567890.1767323045"))
client.store.set_user_property("os_name", "Linux")
client.send([event(number) for number in range(30)])
client.send([event(30)], date=datetime.datetime.now() - datetime.timedelta(hours=5))
client.send([event(31)], postpone=True)
client.postponed_send()
client.send([event(32)], validation_hit=True)
client.send([event(33, "password_typed")])
other = at(FirebaseMP(api_secret="SECRET", firebase_app_id="G-TEST12345", app_instance_id="0123456789abcdef" * 2))
other.send([event(34)])
"""
UNIVERSAL = """
import sys
from google_measurement_protocol import event, pageview, report
sys.modules["google_measurement_protocol.report"].TRACKING_URI = sys.argv[1] + "/collect"
client_id = "35009a79-1a05-49d7-b876-2b884d0f825b"
answers = report("UA-123456-1", client_id, event("cli", "report_exported", "label é & co", 3))
answers += report("UA-123456-1", client_id, event("cli", "report_exported", "pages=7&cached=1"), an="demo", av="2.0")
answers += report("UA-123456-1", client_id, pageview(path="/my-page/", title="My Page"))
answers += report("UA-123456-1", client_id, event("cli", "password_typed"))
answers += report("UA-999999-1", client_id, event("cli", "report_exported"))
assert [(answer.status_code, answer.content[:6]) for answer in answers] == [(200, b"GIF89a")] * 5
"""


@pytest.fixture(scope="module")
def python() -> str:
    """A Python that has the clients, installed once for each of ours."""
    folder = ROOT / ".cache" / f"analytics-clients-{sys.implementation.cache_tag}"
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder / "lock"):
        ready = folder / "ready"
        if not ready.exists() or ready.read_text(encoding="utf-8") != "\n".join(WANTED):
            ready.unlink(missing_ok=True)
            _fill(folder / "venv")
            ready.write_text("\n".join(WANTED), encoding="utf-8")
    return str(folder / "venv" / "bin" / "python")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path, MANIFEST) as server:
        yield server


@pytest.mark.parametrize("encoding", ["gzip", "plain"])
def test_segment_analytics_python(python: str, server: Server, encoding: str) -> None:
    run(python, SEGMENT, server, encoding)
    found = records(server.archive)
    tracks = [record for record in found if record["type"] == "track" and record["properties"]]
    assert sorted(record["properties"]["pages"] for record in tracks) == list(range(120))
    properties = {"cached": True, "format": "label é & co"}
    assert all(record["properties"] == {**properties, "pages": record["properties"]["pages"]} for record in tracks)
    assert {record["context"]["app"]["version"] for record in tracks} == {"1.2.3"}
    others = {record["type"]: record for record in found if record not in tracks}
    assert (others["track"]["event"], others["track"]["context"]["app"]) == ("report_exported", {"name": "mytool"})
    assert (others["page"]["name"], others["page"]["properties"]) == ("start", {"cached": False})
    assert (others["identify"]["traits"], others["identify"]["userId"]) == ({"pages": 3}, None)
    assert {record["context"]["library"]["name"] for record in found} == {"analytics-python"}
    assert server.counts() == {"archived": 123, "repeated": 0, "undeclared": 3, "refused": 0}
    assert not secrets(found)


def test_ga4mp(python: str, server: Server) -> None:
    run(python, GA4, server)
    found = records(server.archive)
    assert [record["properties"] for record in found] == [
        {"pages": number, "cached": True, "format": "csv"} for number in (*range(32), 34)
    ]
    assert {record["event"] for record in found} == {"report_exported"}
    assert {record["anonymousId"] for record in found} == {"1234567890.1767323045", "0123456789abcdef" * 2}
    assert {record["context"].get("os", {}).get("name") for record in found} == {"Linux", None}
    assert all(record["context"]["sessionId"] > 1_700_000_000 for record in found)
    happened = [_hours_ago(record) for record in found]
    assert [hours for hours in happened if hours >= 1] == [pytest.approx(5, abs=0.1)]
    assert server.counts() == {"archived": 33, "repeated": 0, "undeclared": 1, "refused": 0}
    assert not secrets(found)


def test_google_measurement_protocol(python: str, server: Server) -> None:
    run(python, UNIVERSAL, server)
    found = records(server.archive)
    assert [(record["event"], record["properties"]) for record in found] == [
        ("report_exported", {"label": "label é & co", "value": 3}),
        ("report_exported", {"pages": 7, "cached": True}),
        ("pageview", {"title": "My Page"}),
    ]
    assert {record["anonymousId"] for record in found} == {"35009a79-1a05-49d7-b876-2b884d0f825b"}
    assert found[1]["context"]["app"] == {"name": "mytool", "version": "2.0"}
    assert server.counts() == {"archived": 3, "repeated": 0, "undeclared": 2, "refused": 0}


def run(python: str, code: str, server: Server, *arguments: str) -> None:
    """Run a client in a process of its own, which fails if the client does."""
    command = [python, "-c", code, f"http://127.0.0.1:{server.port}", *arguments]
    environ = {**{name: os.environ[name] for name in KEPT if name in os.environ}, "NO_PROXY": "*"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def secrets(found: list[dict[str, Any]]) -> list[str]:
    return [word for word in ("jane", "127.0.0.1", "password") if word in str(found)]


def _hours_ago(record: dict[str, Any]) -> float:
    times = [time.mktime(time.strptime(record[key][:19], "%Y-%m-%dT%H:%M:%S")) for key in ("receivedAt", "timestamp")]
    return (times[0] - times[1]) / 3600


def _fill(venv: Path) -> None:
    shutil.rmtree(venv, ignore_errors=True)
    prepare(", ".join(WANTED), [sys.executable, "-m", "venv", str(venv)])
    prepare(
        ", ".join(WANTED), [str(venv / "bin" / "python"), "-m", "pip", "--quiet", "--retries", "2", "install", *WANTED]
    )
