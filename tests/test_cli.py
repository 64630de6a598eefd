"""The command line of maintainers and operators, as processes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

MANIFEST = """\
schema = 1
[tool]
name = "mytool"
controller = "Example"
contact = "privacy@example.org"
[events.report_exported]
why = "Formats"
[events.report_exported.properties]
format = { one_of = ["csv"] }
"""


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli_analytics", *arguments], cwd=cwd, capture_output=True, text=True, timeout=60
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "analytics.toml").write_text(MANIFEST, encoding="utf-8")
    return tmp_path


def test_check_says_what_a_good_manifest_may_send(folder: Path) -> None:
    done = run("check", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "analytics.toml: mytool may send command_run, report_exported\n"


def test_check_names_file_key_problem_and_what_is_allowed(folder: Path) -> None:
    (folder / "analytics.toml").write_text(MANIFEST.replace('one_of = ["csv"]', 'type = "text"'), encoding="utf-8")
    done = run("check", cwd=folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "Error: analytics.toml: events.report_exported.properties.format.type: 'text' is no kind of property. "
        "Allowed: one_of, bucket, boolean, integer, version.\n"
    )


def test_check_says_so_as_json_too(folder: Path) -> None:
    (folder / "analytics.toml").write_text(MANIFEST.replace("schema = 1", "schema = 2"), encoding="utf-8")
    done = run("check", "--json", cwd=folder)
    assert done.returncode == 1
    error = json.loads(done.stdout)["error"]
    assert error == {"file": "analytics.toml", "key": "schema", "problem": "is 2", "allowed": "schema = 1"}


@pytest.mark.parametrize(("name", "said"), [("none.toml", "can't be read"), ("analytics.toml", "is not TOML")])
def test_check_says_that_a_manifest_is_missing_or_broken(folder: Path, name: str, said: str) -> None:
    (folder / "analytics.toml").write_text("schema = = 1", encoding="utf-8")
    done = run("check", name, cwd=folder)
    assert done.returncode == 1
    assert name in done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_docs_writes_the_page_and_check_finds_drift(folder: Path) -> None:
    missing = run("docs", "--check", cwd=folder)
    assert missing.returncode == 1
    assert "cli-analytics docs analytics.toml --out docs/ANALYTICS.md" in missing.stderr
    assert run("docs", cwd=folder).stdout == "wrote docs/ANALYTICS.md\n"
    assert run("docs", "--check", cwd=folder).returncode == 0
    (folder / "analytics.toml").write_text(MANIFEST.replace('["csv"]', '["csv", "json"]'), encoding="utf-8")
    assert run("docs", "--check", cwd=folder).returncode == 1


def test_the_page_answers_every_question(folder: Path) -> None:
    run("docs", cwd=folder)
    page = (folder / "docs" / "ANALYTICS.md").read_text(encoding="utf-8")
    titles = [line[3:] for line in page.splitlines() if line.startswith("## ")]
    assert titles == ["Why", "What", "When and where", "Who", "How", "How to see it", "How to say no", "How long"]
    assert "report_exported" in page
    assert "privacy@example.org" in page


@pytest.mark.skipif(sys.version_info < (3, 10), reason="the collector asks for Python 3.10")
def test_collect_prints_its_address_first_and_ends_on_sigterm(folder: Path) -> None:
    command = [sys.executable, "-m", "cli_analytics", "collect", "--manifest", "analytics.toml"]
    command += ["--archive", "archive", "--port", "0"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=20)
    assert (process.returncode, rest, errors) == (0, "", "")


@pytest.mark.skipif(sys.version_info < (3, 10), reason="reports ask for Python 3.10")
def test_report_says_that_there_is_no_archive(folder: Path) -> None:
    done = run("report", "nowhere", "--out", "report", cwd=folder)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: nowhere: there is no such folder")
    assert not (folder / "report").exists()


def test_wrong_usage_exits_with_2(folder: Path) -> None:
    assert run("collect", cwd=folder).returncode == 2
    assert run("raport", cwd=folder).returncode == 2


@pytest.mark.parametrize("command", ["check", "docs", "collect", "report", "demo"])
def test_every_command_has_help_with_an_example(folder: Path, command: str) -> None:
    done = run(command, "--help", cwd=folder)
    assert done.returncode == 0
    assert f"Example:  cli-analytics {command}" in done.stdout
