"""The pytest plugin for hosts: little hosts whose own tests are run by a pytest of their own."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import breakers
import pytest
from host_tests import HostTests
from recorder import recorder
from support import user_at
from watch import listing, until

import cli_analytics
from cli_analytics.spool import Spool

pytestmark = pytest.mark.slow


@pytest.fixture
def host(tmp_path: Path) -> Iterator[HostTests]:
    with user_at(tmp_path) as user:
        yield HostTests(user)


@pytest.fixture
def informed(host: HostTests) -> HostTests:
    host.user.inform()
    return host


STARTED = """
snapshot = dict(os.environ)
assert start() == 0

@pytest.fixture(scope="session", autouse=True)
def started_once():
    yield start()
    start()

def test_started_by_a_test():
    assert start() == 0

def test_started_with_the_variables_of_before_the_first_test():
    assert start(snapshot) == 0

def test_in_this_process_and_in_a_thread():
    assert CliRunner().invoke(cli, ["export", "7"]).exit_code == 0
    analytics.record("report_exported", format="csv")
    thread = threading.Thread(target=analytics.record, args=("report_exported",))
    thread.start()
    thread.join()
    assert analytics.flush()

class TestOldStyle(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        start()
        analytics.record("report_exported")

    def test_unittest(self):
        assert start() == 0
"""


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_nothing_that_the_tests_run_or_start_records(informed: HostTests, options: tuple[str, ...]) -> None:
    Spool(informed.user.where.spool).append(b"{}")  # is no business of a test's, and nothing that flush() waits for
    before = listing(informed.user.home)
    informed.pass_(STARTED, *options, conftest="import host, test_host\n\nassert test_host.start() == 0\n")
    assert listing(informed.user.home) == before


def test_without_the_plugin_what_is_started_before_the_first_test_would_record(informed: HostTests) -> None:
    """Without which the test above would prove nothing."""
    informed.pass_("\nassert start() == 0\n\ndef test_it(): pass\n", "-p", "no:cli_analytics")
    until(informed.user.kept)


def test_the_outbox_holds_what_would_have_been_recorded_in_order(host: HostTests) -> None:
    host.pass_("""
other = Analytics("mytool", version="2.0", manifest=analytics.manifest)

@pytest.fixture
def early():
    analytics.record("report_exported", format="json")

def test_all_of_a_test(early, analytics_outbox):
    assert CliRunner().invoke(cli, ["export", "70"]).exit_code == 0
    other.record("report_exported", rows=5)
    assert analytics_outbox.names == ["report_exported", "report_exported", "command_run", "report_exported"]
    csv, early, late = {"format": "csv", "rows": "10-99"}, {"format": "json"}, {"rows": "<10"}
    assert analytics_outbox.of("report_exported") == [early, csv, late]
    assert repr(analytics_outbox[1:2]) == "[report_exported(format='csv', rows='10-99')]"
    run = analytics_outbox.of("command_run")[0]
    assert (run["command"], run["outcome"], run["exit_code"]) == ("export", "ok", 0)
    assert [event.message["context"]["app"]["version"] for event in analytics_outbox] == ["1.2.3"] * 3 + ["2.0"]

def test_no_more_than_a_test(analytics_outbox):
    assert analytics_outbox == []
""")


def test_a_message_in_the_outbox_is_what_would_have_been_sent(tmp_path: Path) -> None:
    with recorder() as server, user_at(tmp_path, server.url) as user:
        user.inform()
        user.run("export", "7")
        HostTests(user).pass_("""
import json

def test_keep(analytics_outbox):
    CliRunner().invoke(cli, ["export", "7"])
    with open("kept", "w") as file:
        json.dump([event.message for event in analytics_outbox], file)
""")
        kept = json.loads((user.host.parent / "kept").read_text(encoding="utf-8"))
        sent = server.wait(events=2)
    assert [event.pop("request_ip") for event in sent] == ["0.0.0.0"] * 2, "the sink's own"
    assert sorted(map(comparable, kept)) == sorted(map(comparable, sent))


def comparable(message: dict[str, Any]) -> str:
    """All of a message but what differs from one run to the next."""
    changing = {"messageId": 36, "anonymousId": 36, "timestamp": 24}
    assert {key: len(message[key]) for key in changing} == changing
    assert abs(time.time() - message["context"]["sessionId"]) < 120
    properties = {key: value for key, value in message["properties"].items() if key != "duration_ms"}
    context = {**message["context"], "sessionId": None}
    same = {**message, **dict.fromkeys(changing), "properties": properties, "context": context}
    return json.dumps(same, sort_keys=True)


SAID_NO = """
@pytest.mark.parametrize("name", ["SEND_ANONYMOUS_USAGE_INFO", "DO_NOT_TRACK", "MYTOOL_NO_ANALYTICS"])
def test_by_a_variable(monkeypatch, analytics_outbox, name):
    monkeypatch.setenv(name, "false" if name.startswith("SEND") else "yes")
    CliRunner().invoke(cli, ["export", "7"])
    assert analytics_outbox == []
    monkeypatch.undo()
    CliRunner(env={name: "maybe"}).invoke(cli, ["export", "7"])
    assert analytics_outbox == []
    CliRunner().invoke(cli, ["export", "7"])
    assert len(analytics_outbox) == 2

def test_by_the_option_for_one_run(analytics_outbox):
    CliRunner().invoke(cli, ["--no-analytics", "export", "7"])
    assert analytics_outbox == []
    CliRunner().invoke(cli, ["export", "7"])
    assert len(analytics_outbox) == 2

def test_by_the_setting_of_the_host(analytics_outbox):
    Analytics("mytool", version="1", manifest=analytics.manifest, host_setting=False).record("report_exported")
    assert analytics_outbox == []
"""
MACHINES = {
    "of somebody who has no opinion": {},
    "of somebody who says no": {"SEND_ANONYMOUS_USAGE_INFO": "false", "DO_NOT_TRACK": "1", "MYTOOL_NO_ANALYTICS": "1"},
    "in CI with a development version": {"CI": "true", "GITHUB_ACTIONS": "true", "HOST_VERSION": "1.3.0.dev1"},
}


@pytest.mark.parametrize("machine", MACHINES)
def test_for_the_outbox_it_counts_what_a_test_says_and_not_the_machine(host: HostTests, machine: str) -> None:
    before = listing(host.user.home)
    host.pass_(SAID_NO, conftest="import host\n", **MACHINES[machine])
    assert listing(host.user.home) == before


REPLACED = ["builtins.open", "os.open", "os.path.exists", "os.urandom", "time.time", "time.gmtime", "json.loads"]


def test_a_test_that_replaces_what_we_would_use_notices_nothing(host: HostTests) -> None:
    host.pass_(f"""
from unittest import mock

@pytest.fixture
def replaced():
    patches = [mock.patch(name) for name in {REPLACED}]
    yield [patch.start() for patch in patches]
    mock.patch.stopall()

def test_it(replaced):
    analytics.record("report_exported", format="csv", rows=120)
    assert [stand_in.mock_calls for stand_in in replaced] == [[] for _ in replaced]
""")


FOR_REAL = """
def test_it(analytics_outbox):
    told = Analytics("mytool", version="1.2.3", manifest=analytics.manifest, record_in_tests=True)
    told.record("report_exported", format="csv")
    assert analytics_outbox.names == ["report_exported"]
    analytics.record("report_exported", format="json")
"""


@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_who_asks_to_record_in_tests_does(informed: HostTests, options: tuple[str, ...]) -> None:
    breakers.hold(informed.user.where)  # so that the event waits to be looked at
    informed.pass_(FOR_REAL + "    assert not told.flush(timeout=0)\n", *options)
    (event,) = (json.loads(path.read_bytes()) for path in informed.user.waiting())
    assert event["properties"] == {"format": "csv"}


@pytest.mark.parametrize("variables", [{"SEND_ANONYMOUS_USAGE_INFO": "no"}, {"DO_NOT_TRACK": "1"}])
def test_who_asks_to_record_in_tests_does_not_where_the_machine_says_no(
    informed: HostTests, variables: dict[str, str]
) -> None:
    before = listing(informed.user.home)
    informed.pass_(FOR_REAL, "-n", "1", **variables)
    assert listing(informed.user.home) == before


def test_loading_the_plugin_imports_next_to_nothing_of_ours(host: HostTests) -> None:
    host.pass_(
        "\ndef test_it(): pass\n",
        conftest="""
import sys

found = sorted(name for name in sys.modules if name.split(".")[0] in ("cli_analytics", "click", "requests"))
ours = ("client", "detection", "environment", "testing", "testing.plugin")
assert found == ["cli_analytics", *(f"cli_analytics.{name}" for name in ours)], found
""",
    )


def test_a_pytest_within_a_pytest_leaves_the_outer_one_as_it_was(host: HostTests) -> None:
    host.pass_(
        """
def test_it(pytester, analytics_outbox):
    record, before = Analytics.record, os.environ["SEND_ANONYMOUS_USAGE_INFO"]
    pytester.makepyfile("def test_it(analytics_outbox): pass")
    pytester.runpytest_inprocess("-p", "no:xdist").assert_outcomes(passed=1)
    assert (Analytics.record, os.environ["SEND_ANONYMOUS_USAGE_INFO"]) == (record, before)
    analytics.record("report_exported", format="csv")
    assert analytics_outbox.names == ["report_exported"]
""",
        conftest='pytest_plugins = "pytester"',
    )


RUNS_PYTEST = (
    "import cli_analytics, pytest, sys; sys.exit(pytest.main(['-q', '-W', 'error', '-p', 'no:cacheprovider']))"
)


def test_a_host_that_runs_pytest_itself_may_have_imported_us_before(host: HostTests) -> None:
    """As it is installed: of an editable installation pytest knows no files, and rewrites none."""
    site = host.user.folder / "site"
    package, info = Path(cli_analytics.__file__).parent, site / "cli_analytics-0.1.0.dist-info"
    shutil.copytree(package, site / "cli_analytics", ignore=shutil.ignore_patterns("__pycache__"))
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: cli-analytics\nVersion: 0.1.0\n", encoding="ascii")
    (info / "entry_points.txt").write_text(
        "[pytest11]\ncli_analytics = cli_analytics.testing.plugin\n", encoding="ascii"
    )
    (info / "RECORD").write_text("cli_analytics/__init__.py,,\ncli_analytics/testing/plugin.py,,\n", encoding="ascii")
    (host.folder / "test_it.py").write_text("def test_it(analytics_outbox): pass\n", encoding="utf-8")
    environ = {**host.user.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, "-c", RUNS_PYTEST], env=environ, cwd=host.folder, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stderr


DOCS = Path(__file__).parent.parent / "docs" / "testing.md"


def test_the_examples_of_its_page_are_true_of_the_host_in_the_readme(host: HostTests) -> None:
    source, manifest = (blocks(DOCS.parents[1] / "README.md", language)[0] for language in ("python", "toml"))
    (host.folder / "mytool.py").write_text(f"{source}\nif __name__ == '__main__':\n    cli()\n", encoding="utf-8")
    host.user.manifest.write_text(manifest, encoding="utf-8")
    examples = blocks(DOCS, "python")
    assert len(examples) == DOCS.read_text(encoding="utf-8").count("```") / 2
    outcomes = host.pass_("\n".join(examples))
    assert len(outcomes) == "\n".join(examples).count("def test_")


def blocks(page: Path, language: str) -> list[str]:
    found = re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found
