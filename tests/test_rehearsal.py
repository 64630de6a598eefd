"""What the tests of a host record, and no manifest declares."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from host_tests import IMPORTS, HostTests, Went
from support import user_at

UNDECLARED = """
def test_an_event():
    analytics.record("report_exportd", rows=7)

def test_a_property():
    analytics.record("report_exported", colour=7)

def test_a_value():
    analytics.record("report_exported", format=7)

def test_no_json():
    assert analytics.record("report_exported", format=b"csv") is None

def test_a_feature():
    analytics.feature("dark_mode")

def test_too_long():
    analytics.record("report_exported", format="x" * 40_000)

@pytest.fixture
def late():
    yield
    analytics.record("report_exported", format="late")

def test_recorded_by_a_fixture_afterwards(late):
    pass

def test_where_files_were_replaced(monkeypatch):
    monkeypatch.setattr("builtins.open", None)
    analytics.record("report_exported", format="replaced")

def test_failed_already():
    analytics.record("report_exported", format="failed")
    assert False

class TestOldStyle(unittest.TestCase):
    def test_unittest(self):
        analytics.record("report_exported", format="old")

@pytest.mark.analytics_undeclared_ok
def test_marked(analytics_outbox):
    analytics.record("report_exportd", rows=7)
    analytics.record("report_exported", format="yes", rows=7)
    assert analytics_outbox.of("report_exported") == [{"rows": "<10"}]

def test_of_another_tool():
    Analytics("another", version="1", manifest=analytics.manifest).record("report_exported")

def test_without_a_manifest():
    Analytics("mytool", version="1", manifest="nowhere.toml").record("report_exported")

def test_declared():
    analytics.record("report_exported", format="csv", rows=7)
    CliRunner().invoke(cli, ["exprt"])
"""
PROPERTIES = "format (one of csv, json), rows (a number, sent as one of <10, 10-99, >=100)"
EVENTS = "command_run, report_exported"


@pytest.fixture(scope="module")
def undeclared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Went]:
    with user_at(tmp_path_factory.mktemp("undeclared")) as user:
        yield HostTests(user).run(UNDECLARED)


@pytest.mark.parametrize(
    ("test", "problem", "given", "declared"),
    [
        ("an_event", "report_exportd is an event that the manifest does not declare", "rows (int)", EVENTS),
        ("a_property", "a property that the manifest does not declare: 'colour'", "colour (int)", PROPERTIES),
        ("a_value", "report_exported.format may only be one of csv, json", "format (int)", PROPERTIES),
        ("no_json", "report_exported is lost, because a bytes is no JSON", "format (bytes)", PROPERTIES),
        ("a_feature", "feature_used is an event that the manifest does not declare", "feature (str)", EVENTS),
        ("too_long", "report_exported is lost, because it is longer than 32768 bytes", "format (str)", PROPERTIES),
        ("unittest", "report_exported.format may only be one of csv, json", "format (str)", PROPERTIES),
    ],
)
def test_what_the_manifest_does_not_declare_fails_the_test(
    undeclared: Went, test: str, problem: str, given: str, declared: str
) -> None:
    assert undeclared.outcomes[f"test_{test}"] == {"PASSED", "ERROR"}
    place = rf"/test_host\.py:{line_of(f'def test_{test}(')}: .*{re.escape(problem)}"
    kinds = rf"    given: {re.escape(given)}\n    /.*/analytics\.toml declares: {re.escape(declared)}\n"
    assert re.search(rf"{place}.*\n{kinds}", undeclared.output), undeclared.output


def line_of(start: str) -> int:
    """The line in which that function records."""
    return (IMPORTS + UNDECLARED).split(start)[0].count("\n") + 2


@pytest.mark.parametrize(
    ("test", "outcomes"),
    [
        ("recorded_by_a_fixture_afterwards", {"PASSED", "ERROR"}),
        ("where_files_were_replaced", {"PASSED", "ERROR"}),
        ("failed_already", {"FAILED", "ERROR"}),
        ("marked", {"PASSED"}),
        ("declared", {"PASSED"}),
    ],
)
def test_no_test_fails_for_another_one_or_where_it_is_marked(undeclared: Went, test: str, outcomes: set[str]) -> None:
    assert undeclared.outcomes[f"test_{test}"] == outcomes, undeclared.output


@pytest.mark.parametrize(
    ("test", "why"),
    [
        ("of_another_tool", "tool.name: is 'mytool'. Allowed: another"),
        ("without_a_manifest", "nowhere.toml: there is no such file"),
    ],
)
def test_a_manifest_that_would_switch_all_off_fails_the_test(undeclared: Went, test: str, why: str) -> None:
    assert undeclared.outcomes[f"test_{test}"] == {"PASSED", "ERROR"}
    assert why in undeclared.output


NARROWED = """
[events.command_run]
omit = ["options"]
[events.command_run.properties]
command = { one_of = ["export"] }
"""


def test_a_narrowed_event_is_checked_as_far_as_the_host_can_help_it(tmp_path: Path) -> None:
    with user_at(tmp_path) as user:
        user.manifest.write_text(user.manifest.read_text(encoding="utf-8") + NARROWED, encoding="utf-8")
        went = HostTests(user).run("""
def test_declared(analytics_outbox):
    CliRunner().invoke(cli, ["export", "7"])
    assert "options" not in analytics_outbox.of("command_run")[0]

def test_mistyped(analytics_outbox):
    CliRunner().invoke(cli, ["exprt", "7"])
    assert "command" not in analytics_outbox.of("command_run")[0]

def test_undeclared():
    CliRunner().invoke(cli, ["hello"])
""")
    assert went.outcomes == {
        "test_declared": {"PASSED"},
        "test_mistyped": {"PASSED"},
        "test_undeclared": {"PASSED", "ERROR"},
    }
    line = IMPORTS.count("\n") + 11
    assert f"/test_host.py:{line}: command_run.command may only be one of export" in went.output
