"""`cli-analytics check` with a ga4 sink, and with --live against a validation server on loopback."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from checking import EXPORTED, QUOTED, SECRET, Done, sink
from ga4_twin import RESERVED, Twin, assert_valid, twin

from cli_analytics import properties

pytestmark = pytest.mark.slow  # it depends little on the Python it runs on


@pytest.fixture
def server() -> Iterator[Twin]:
    with twin() as server:
        yield server


def test_every_event_is_asked_about_and_found_valid(tmp_path: Path, server: Twin) -> None:
    done = Done(tmp_path, [sink(server.url), EXPORTED], "--live")
    assert (done.status, done.err) == (0, "")
    assert done.out == (
        f"{server.url}/debug/mp/collect on G-ABC\n"
        "  command_run: ok\n"
        "  report_exported: ok\n"
        "analytics.toml: mytool may send command_run, report_exported\n"
    )
    assert [asked.path for asked in server.asked] == ["/debug/mp/collect"] * 2
    for asked in server.asked:
        assert asked.query == {"measurement_id": ["G-ABC"], "api_secret": [SECRET]}
        assert asked.headers["Content-Type"] == "application/json"
        assert json.loads(asked.body)["validation_behavior"] == "ENFORCE_RECOMMENDATIONS"
        assert_valid(asked.body, time.time())
    [exported] = json.loads(server.asked[1].body)["events"]
    assert (
        exported["params"].items()
        >= {
            "format": "parquet",
            "rows": "100-999",
            "cached": "false",
            "pages": -9007199254740992,
            "engine": "12345678.12345678.12345678.12345678.1234",
            "dropped_events": 999999999,
        }.items()
    )


def test_as_json_stdout_is_one_document_and_progress_goes_to_stderr(tmp_path: Path, server: Twin) -> None:
    done = Done(tmp_path, [sink(server.url)], "--live", "--json")
    assert done.status == 0
    assert done.document == {
        "valid": True,
        "tool": "mytool",
        "events": {"command_run": sorted(properties.BUILT_IN["command_run"].properties)},
    }
    assert done.err == f"{server.url}/debug/mp/collect on G-ABC\n  command_run: ok\n"


def test_what_it_has_against_an_event_is_told_with_its_code_and_the_others_are_asked_too(
    tmp_path: Path, server: Twin
) -> None:
    server.reserved = RESERVED | {"command_run"}  # Google may keep another name for itself any day
    said = "sinks[0]: events.command_run: Event at index: [0] has name [command_run] which is reserved. (NAME_RESERVED)"
    done = Done(tmp_path, [sink(server.url), EXPORTED], "--live")
    assert done.status == 1
    assert done.out.endswith("  command_run: not valid\n  report_exported: ok\n")
    assert done.err == f"Error: analytics.toml:\n  {said}\n"
    document = Done(tmp_path, [sink(server.url), EXPORTED], "--live", "--json").document
    assert (document["valid"], document["problems"]) == (False, [said])


def test_every_ga4_sink_is_asked_and_no_other(tmp_path: Path, server: Twin) -> None:
    with twin() as second:
        second.reserved = RESERVED | {"command_run"}
        other = '[[sinks]]\ntype = "segment"\nwrite_key = "k"\nendpoint = "http://127.0.0.1:9"\n'
        done = Done(tmp_path, [sink(server.url), other, sink(f"{second.url}", "G-2")], "--live")
    assert done.status == 1
    assert (len(server.asked), len(second.asked)) == (1, 1)
    assert f"{second.url}/debug/mp/collect on G-2" in done.out
    assert done.err.startswith("Error: analytics.toml:\n  sinks[2]: events.command_run: ")


def test_a_manifest_without_a_ga4_sink_can_not_be_asked_about(tmp_path: Path) -> None:
    done = Done(tmp_path, [], "--live")
    assert (done.status, done.out) == (1, "")
    assert done.err == (
        'Error: analytics.toml:\n  sinks: none is of type "ga4", and only Google Analytics validates; '
        "add one, or leave --live out\n"
    )


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_without_live_nothing_is_asked(tmp_path: Path, server: Twin, options: list[str]) -> None:
    assert Done(tmp_path, [sink(server.url), EXPORTED], *options).status == 0
    assert server.asked == []


@pytest.mark.parametrize("options", [[], ["--live"]])
def test_what_is_not_sent_is_listed_and_not_asked_about(tmp_path: Path, server: Twin, options: list[str]) -> None:
    wrong = '[events.scroll]\nwhy = "x"\n[events.scroll.properties]\nuser_id = { type = "boolean" }\n'
    own = '[[sinks]]\ntype = "nobodys"\n'
    done = Done(tmp_path, [sink(server.url), own, wrong], *options)
    assert (done.status, done.out) == (1, "")
    first, own_sink, *rest = done.err.splitlines()
    assert first == "Error: analytics.toml:"
    assert own_sink.startswith("  sinks[1].type: 'nobodys' is no sink")
    assert rest == [
        "  events.scroll: Google Analytics keeps this name for itself; choose another",
        "  events.scroll.properties.user_id: Google Analytics keeps this name for itself; choose another",
    ]
    document = Done(tmp_path, [sink(server.url), own, wrong], *options, "--json").document
    assert document["valid"] is False
    assert [problem.split(":")[0] for problem in document["problems"]] == [
        *("sinks[1].type", "events.scroll", "events.scroll.properties.user_id")
    ]
    assert "scroll" in document["events"]
    assert server.asked == []


def test_what_it_says_can_neither_write_on_a_terminal_nor_show_the_secret(tmp_path: Path, server: Twin) -> None:
    said = f"\x1b[2J\nno\r{SECRET} {QUOTED}" + "x" * 5000
    server.answer = json.dumps({"validationMessages": [{"description": said, "validationCode": 7}, {}]}).encode()
    done = Done(tmp_path, [sink(server.url)], "--live")
    assert done.status == 1
    assert "\x1b" not in done.err
    [_, first, second] = done.err.splitlines()
    assert first.startswith("  sinks[0]: events.command_run:  [2J no <api_secret> <api_secret>xxx")
    assert len(first) < 700
    assert second == "  sinks[0]: events.command_run: not valid (without a code)"
