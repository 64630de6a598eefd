"""`cli-analytics collect --import`: what a file sink or another collector wrote, taken in once."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("msgspec")
pytest.importorskip("uvicorn")

from collecting import MANIFEST, event, records, running
from importing import PEAK, SENT_AT, Site, ids, several, snapshot

from cli_analytics import collector, manifest, reports
from cli_analytics.errors import ManifestError

pytestmark = pytest.mark.slow  # it depends little on the Python it runs on


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_what_a_file_sink_wrote_is_taken_in_once_and_the_folder_stays_as_it_was(site: Site) -> None:
    events = several(5)
    site.write(*events[:3])
    site.write(*events[3:])
    before = snapshot(site.source)
    first = site.take()
    assert (first.returncode, first.stdout, first.stderr) == (0, "imported 5, already there 0, undeclared 0\n", "")
    second = site.take()
    assert (second.returncode, second.stdout) == (0, "imported 0, already there 5, undeclared 0\n")
    assert site.ids() == ids(events)
    assert snapshot(site.source) == before


def test_a_record_is_received_now_and_happened_when_it_did(site: Site) -> None:
    sent = event(context={"app": {"name": "mytool", "version": "1.2.3"}, "sessionId": 17})
    [file] = site.write(sent)
    written = json.loads(gzip.decompress(file.read_bytes()))
    began = int(time.time() * 1000)
    assert site.take().returncode == 0
    [path] = site.archive.rglob("*.gz")
    [record] = records(site.archive)
    day = int(path.parent.name)
    received = int(path.name.split(".")[0])
    assert day % 86_400_000 == 0 and day <= received < day + 86_400_000 and began <= received <= time.time() * 1000
    assert record["receivedAt"] > "2026-01-02T03:04:06.000Z"
    assert record == {**written, "receivedAt": record["receivedAt"], "context": {"ip": "0.0.0.0", **sent["context"]}}
    assert (record["timestamp"], record["sentAt"]) == (sent["timestamp"], SENT_AT)


def test_the_archive_of_another_collector_is_taken_in_with_its_times_and_keys(site: Site, tmp_path: Path) -> None:
    with running(tmp_path) as server:
        sent = several(3)
        server.send(*sent, event(event="command_run", properties={}), sentAt=SENT_AT, writeKey="KEY")
        [*archived] = records(server.archive)
        server.archive.rename(site.source)
    assert site.take().stdout == "imported 4, already there 0, undeclared 0\n"
    assert all(record["timestamp"] != record["originalTimestamp"] for record in archived)
    taken = records(site.archive)
    assert [{**record, "receivedAt": ""} for record in taken] == [{**record, "receivedAt": ""} for record in archived]


def test_pages_and_identifies_are_taken_in(site: Site) -> None:
    declared = '[events.identify]\nwhy = "x"\n[events.identify.properties]\nplan = { one_of = ["free"] }\n'
    declared += '[events.start]\nwhy = "x"\n'
    site.manifests[0].write_bytes(MANIFEST + declared.encode())
    bare = {key: value for key, value in event().items() if key not in ("event", "properties")}
    page = {**bare, "type": "page", "name": "start", "properties": {}, "messageId": "page"}
    identify = {**bare, "type": "identify", "traits": {"plan": "free", "email": "x"}, "messageId": "identify"}
    site.write(page, identify)
    assert site.take().stdout == "imported 2, already there 0, undeclared 0\n"
    found = {record["messageId"]: record for record in records(site.archive)}
    assert found["page"]["name"] == "start"
    assert found["identify"]["traits"] == {"plan": "free"}


def test_every_record_passes_the_gate_again(site: Site) -> None:
    stripped = event(
        properties={"command": "run", "path": "/home/jane"}, context={"app": {"name": "mytool"}, "host": "h"}
    )
    site.write(
        stripped,
        event(event="password_typed"),
        event(context={"app": {"name": "stranger"}}),
        event(anonymousId="jane@example.org"),
        event(timestamp="yesterday"),
    )
    assert site.take().stdout == "imported 1, already there 0, undeclared 4\n"
    [record] = records(site.archive)
    assert record["properties"] == {"command": "run"}
    assert "host" not in record["context"]


def test_what_came_over_the_network_is_there_already(site: Site, tmp_path: Path) -> None:
    both, later = several(4), several(2)
    with running(tmp_path) as server:
        server.send(*both)
    site.write(*both, *later)
    assert site.take().stdout == "imported 2, already there 4, undeclared 0\n"
    assert site.ids() == ids([*both, *later])


def test_the_same_event_in_two_files_is_taken_in_once(site: Site) -> None:
    sent = event()
    site.write(sent, sent, event())
    site.write(event(), sent)
    assert site.take().stdout == "imported 3, already there 2, undeclared 0\n"


def test_the_same_id_of_another_tool_is_another_event(site: Site) -> None:
    site.write(event(messageId="same"), event(messageId="same", context={"app": {"name": "another"}}))
    assert site.take().stdout == "imported 2, already there 0, undeclared 0\n"
    assert site.take().stdout == "imported 0, already there 2, undeclared 0\n"
    folders = {path.parts[-3] for path in site.archive.rglob("*.gz")}
    assert folders == {"mytool", "another"}


def test_how_far_it_is_is_said(site: Site) -> None:
    site.write(*several(2500))
    spoken: list[str] = []
    loaded = [manifest.load(str(site.manifests[0]))]
    collector.import_folder(str(site.source), loaded, str(site.archive), say=spoken.append, pause_seconds=0)
    assert [text for text in spoken if text.startswith("imported")] == [
        f"imported {number} of at most 2500" for number in (1000, 2000, 2500)
    ]


@pytest.mark.parametrize("inner", [".", "segment-logs", "../archive"])
def test_a_folder_in_the_archive_is_refused(site: Site, inner: str) -> None:
    site.write(event())
    site.take()
    site.source = site.archive / inner
    before = snapshot(site.archive)
    done = site.take()
    assert done.returncode == 1
    assert (
        done.stderr == f"Error: {site.source}: is, holds or lies in the archive {site.archive}; give another folder\n"
    )
    assert snapshot(site.archive) == before


def test_a_folder_that_holds_the_archive_is_refused(site: Site, tmp_path: Path) -> None:
    site.write(event())
    site.source = tmp_path
    assert site.take().returncode == 1
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    site.source = link / "archive"
    assert "give another folder" in site.take().stderr


def test_a_folder_that_is_none_or_has_nothing_in_it_is_refused(site: Site) -> None:
    assert "there is no such folder" in site.take().stderr
    site.source.mkdir()
    done = site.take()
    assert (done.returncode, done.stdout) == (1, "")
    assert "there are no events" in done.stderr


@pytest.mark.parametrize("options", [["--port", "0"], ["--host", "127.0.0.1"]])
def test_an_import_listens_nowhere(site: Site, options: list[str]) -> None:
    site.write(event())
    done = site.take(*options)
    assert done.returncode == 2 and "--import listens nowhere" in done.stderr
    assert not site.archive.exists()


def test_json_goes_with_an_import_only(site: Site) -> None:
    done = subprocess.run([*site.command, "--json", "--port", "0"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "--json goes with --import only" in done.stderr


def test_two_manifests_of_one_tool_are_refused(site: Site) -> None:
    site.write(event())
    with pytest.raises(ManifestError, match="same name"):
        collector.import_folder(str(site.source), [manifest.parse(MANIFEST)] * 2, str(site.archive), say=print)


def test_a_report_counts_what_was_taken_in(site: Site, tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    site.write(*several(3))
    site.take()
    site.take()
    [path] = reports.write(str(site.archive), str(tmp_path / "out"), warn=pytest.fail)
    assert Path(path).read_text(encoding="utf-8").splitlines()[1].startswith("mytool,1.2.3,run,3,1,")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
def test_a_hundred_thousand_records_take_seconds_and_little_memory(
    site: Site, record_property: Callable[[str, object], None]
) -> None:
    number = 100_000
    for start in range(0, number, 5000):
        site.write(*several(min(5000, number - start)))
    code = (
        f"import time; from cli_analytics.cli import main\n{PEAK}"
        "began = time.perf_counter()\n"
        "try: main()\n"
        "finally: print(time.perf_counter() - began, peak())"
    )
    for what, summary in (("new", "imported 100000"), ("there", "already there 100000")):
        command = [sys.executable, "-c", code, *site.command[3:], "--import", str(site.source)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
        assert summary in done.stdout
        seconds, kilobytes = done.stdout.splitlines()[-1].split()
        record_property("figure", f"{what}: {float(seconds):.1f} s, {int(kilobytes) / 1000:.0f} MB")
        assert float(seconds) < 120 and int(kilobytes) < 150_000
    assert site.ids().total() == number
