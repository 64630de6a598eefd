"""sqlite-utils, a click tool that none of us wrote: its own test suite and its users, the example attached to it."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from importlib.metadata import requires
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from support import CLOSED, on_terminal
from watch import until

pytest.importorskip("duckdb")
pytest.importorskip("msgspec")
pytest.importorskip("uvicorn")

from packages import alone, prepare

from cli_analytics import environment, storage
from cli_analytics.spool import Spool

pytestmark = [
    pytest.mark.skipif(sys.version_info < (3, 10), reason="sqlite-utils asks for Python 3.10"),
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminal"),
]

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "sqlite_utils_instrumented"
SCRIPT, MANIFEST = EXAMPLE / "sqlite_utils_with_analytics.py", EXAMPLE / "analytics.toml"

VERSION, SDIST = "4.2.1", "sqlite_utils-4.2.1"
SHA256 = "76114b6a5414714e6c70e5fa5c4781b301b590f6951b5da39c8cc60c21382ba1"
MANY = 1_400  # of its 1 501 tests 1 481 pass and 20 are skipped; from Python 3.12 on 1 484 and 17
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  # on a disk, the suite does little but wait for it
KEPT = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR")
HELP = {"-h", "--help", "--version"}  # what is asked for with these is no use of a command, and is not recorded
OURS = {"batch", "container", "context", "docker", "error", "event", "library", "python", "server", "track", "version"}
LONG = 5  # characters; a shorter word occurs by chance, and so do OURS, which every request has

# The suite starts the tool as a process, too.
SITECUSTOMIZE = """\
import sys
if sys.orig_argv[1:3] == ["-m", "sqlite_utils"]:
    import suite_plugin
    suite_plugin.note(typed=sys.orig_argv[3:], exit_code=0)
"""


@pytest.fixture(scope="session")
def cache() -> Path:
    """The folder with the sdist and a virtual environment with what it needs, made once for each Python."""
    folder = ROOT / ".cache" / f"sqlite-utils-{VERSION}-{sys.implementation.cache_tag}"
    wanted = ["pytest", "hypothesis", *(item for item in requires("cli-analytics") or () if "extra ==" not in item)]
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder / "lock"):
        ready = folder / "ready"
        if not ready.exists() or ready.read_text(encoding="utf-8") != "\n".join(wanted):
            ready.unlink(missing_ok=True)
            _fill(folder, wanted)
            ready.write_text("\n".join(wanted), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def suite(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of both runs of the suite, made once however many processes run the tests."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "suite"
    with alone(folder / "lock"):
        if not (folder / "sent").exists():
            _run_both(cache, folder)
    return folder


@pytest.mark.slow
def test_its_own_suite_passes_as_it_does_without_us(suite: Path) -> None:
    bare, instrumented = _results(suite / "bare"), _results(suite / "instrumented")
    assert instrumented == bare
    assert sum(not problems for _, problems in bare) > MANY
    assert _summary(suite / "instrumented") == _summary(suite / "bare")


@pytest.mark.slow
def test_every_command_of_the_suite_arrives_once_with_its_exit_status(suite: Path) -> None:
    runs = [note for note in _notes(suite) if "typed" in note and not HELP.intersection(note["typed"])]
    arrived = _records(suite / "archive")
    assert len({record["messageId"] for record in arrived}) == len(arrived) > 400
    ended = Counter(record["properties"]["exit_code"] for record in arrived)
    assert ended == Counter(run["exit_code"] for run in runs)


@pytest.mark.slow
def test_the_commands_of_the_suite_are_reported_under_their_registered_names(suite: Path, tmp_path: Path) -> None:
    runs = _report(suite / "archive", tmp_path)
    assert set(runs) <= _noted(suite, "commands") | {"sqlite-utils", "<unknown>"}
    assert len(runs) >= 30
    assert sum(runs.values()) == len(_records(suite / "archive"))


@pytest.mark.slow
def test_nothing_that_the_suite_typed_leaves_but_names_of_commands_and_options(suite: Path) -> None:
    registered = _noted(suite, "commands") | _noted(suite, "options")
    options = {option for record in _records(suite / "archive") for option in record["properties"]["options"]}
    assert options <= registered
    secrets = _secrets(_noted(suite, "typed"), registered)
    assert len(secrets) > 400
    left = _text(suite / "archive") + (suite / "sent").read_text(encoding="utf-8")
    assert _leaked(secrets, registered, left) == []


def test_a_user_is_told_first_and_then_only_names_leave(cache: Path, tmp_path: Path) -> None:
    bare, ours, home, archive = (tmp_path / name for name in ("bare", "ours", "home", "archive"))
    for folder in (bare, ours):
        (folder / "hospital").mkdir(parents=True)
        with closing(sqlite3.connect(folder / "hospital" / "wards.db")) as database:
            database.execute("create table patients (surname text)")
        (folder / "admitted.csv").write_text("surname\nLovelace\n", encoding="utf-8")
    tool = [str(cache / "venv" / "bin" / "python"), str(SCRIPT)]
    runs = [
        ["tables", "hospital/wards.db"],
        ["insert", "hospital/wards.db", "patients", "admitted.csv", "--csv"],
        ["query", "hospital/wards.db", "select surname from patients"],
        ["hospital/wards.db", "select upper(surname) from patients", "--table"],
        ["rows", "hospital/wards.db", "discharged"],
        ["rows", "hospital/wards.db", "patients", "--surname"],
        ["tables", "hospital/laboratory.db"],
    ]
    with _collector(archive) as endpoint:
        user = _user(home, endpoint, PYTHONPATH=ROOT)
        first = on_terminal([*tool, *runs[0]], user, ours)
        assert (first.status, first.stdout) == (0, '[{"table": "patients"}]\n')
        assert "sqlite-utils analytics off" in first.terminal
        assert not list(home.rglob("client-id"))
        for arguments in runs:
            without = _run([str(cache / "venv" / "bin" / "sqlite-utils"), *arguments], user, bare)
            assert _run([*tool, *arguments], user, ours) == without
        assert "Lovelace" in _run([*tool, *runs[2]], {**user, environment.SEND: "false"}, ours)[1]
        until(Spool(storage.locate("sqlite-utils", user).spool).is_empty)
        log = _run([*tool, "analytics", "log"], user, ours)[1]
    assert _report(archive, tmp_path / "report") == {"tables": 2, "insert": 1, "query": 2, "rows": 2}
    assert log.count("command_run") == len(runs)
    registered = {"tables", "insert", "query", "rows", "--csv", "--table"}
    secrets = {"Lovelace", str(tmp_path), *_secrets({argument for run in runs for argument in run}, registered)}
    assert _leaked(secrets, registered, _text(archive) + log) == []


def _fill(folder: Path, wanted: list[str]) -> None:
    """Download the sdist, and install it and what is wanted beside it. Skips the test where that can't be done."""
    venv, sdist = folder / "venv", folder / f"{SDIST}.tar.gz"
    shutil.rmtree(venv, ignore_errors=True)
    prepare("sqlite-utils", [sys.executable, "-m", "venv", str(venv)])
    pip = [str(venv / "bin" / "python"), "-m", "pip", "--quiet", "--retries", "2"]
    if not sdist.exists():
        download = ["download", "--no-deps", "--no-binary", "sqlite-utils", f"sqlite-utils=={VERSION}"]
        prepare("sqlite-utils", [*pip, *download, "--dest", str(folder)])
    assert hashlib.sha256(sdist.read_bytes()).hexdigest() == SHA256
    prepare("sqlite-utils", [*pip, "install", str(sdist), *wanted])


def _run_both(cache: Path, folder: Path) -> None:
    """Run the suite without us, and with us: recording switched on, sending to a real collector."""
    home, site = folder / "home", folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(SITECUSTOMIZE, encoding="utf-8")
    _run_suite(cache, folder / "bare", _user(home, CLOSED))
    with _collector(folder / "archive") as endpoint:
        paths = os.pathsep.join(map(str, (ROOT, EXAMPLE, site)))
        user = _user(home, endpoint, PYTHONPATH=paths, SUITE_NOTES=folder / "notes")
        first = [str(cache / "venv" / "bin" / "python"), str(SCRIPT), "memory", "select 1"]
        assert "analytics off" in on_terminal(first, {**user, "PYTHONPATH": str(ROOT)}, folder).terminal
        _run_suite(cache, folder / "instrumented", user, "-p", "suite_plugin")
        where = storage.locate("sqlite-utils", user)
        until(Spool(where.spool).is_empty)
        with alone(Path(where.sender_lock)):
            pass  # the sender has ended
    bodies = [json.loads(line)["body"] for line in Path(where.log).read_text(encoding="utf-8").splitlines()]
    (folder / "sent").write_text("".join(bodies), encoding="utf-8")


def _run_suite(cache: Path, folder: Path, user: dict[str, str], *options: str) -> None:
    """Unpack the sdist and run its suite, with the same examples of hypothesis each time."""
    with tarfile.open(cache / f"{SDIST}.tar.gz") as sdist:
        sdist.extractall(folder, filter="data")
    command = [str(cache / "venv" / "bin" / "python"), "-m", "pytest", "-q", "-c", "pyproject.toml"]
    command += ["-p", "no:cacheprovider", "--hypothesis-profile=ci", f"--junitxml={folder / 'results.xml'}", *options]
    with tempfile.TemporaryDirectory(dir=MEMORY) as scratch, (folder / "output").open("w", encoding="utf-8") as output:
        command += [f"--basetemp={scratch}/tmp"]
        subprocess.run(command, env=user, cwd=folder / SDIST, stdout=output, stderr=subprocess.STDOUT, timeout=300)
    assert (folder / "results.xml").exists(), (folder / "output").read_text(encoding="utf-8")


def _results(folder: Path) -> list[tuple[dict[str, str], list[str]]]:
    """Of each test, in order: its names, and what there was but success."""
    cases = ElementTree.parse(folder / "results.xml").iter("testcase")
    return [({**case.attrib, "time": ""}, [item.tag for item in case]) for case in cases]


def _summary(folder: Path) -> str:
    """How many passed, were skipped and warned."""
    return (folder / "output").read_text(encoding="utf-8").splitlines()[-1].split(" in ")[0]


def _user(home: Path, endpoint: str, **more: object) -> dict[str, str]:
    """The environment of somebody at a terminal: nothing of CI, of test runners or of what says no."""
    home.mkdir(exist_ok=True)
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {**kept, "HOME": str(home), environment.ENDPOINT: endpoint, **{key: str(more[key]) for key in more}}


@contextmanager
def _collector(archive: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "cli_analytics", "collect", "--port", "0"]
    command += ["--manifest", str(MANIFEST), "--archive", str(archive)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def _run(command: list[str], user: dict[str, str], folder: Path) -> tuple[int, str, str]:
    done = subprocess.run(command, env=user, cwd=folder, capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout, done.stderr


def _report(archive: Path, out: Path) -> dict[str, int]:
    """Runs by command, as the report has them."""
    command = [sys.executable, "-m", "cli_analytics", "report", str(archive), "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    with (out / "commands.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["tool"], row["version"], row["installations"]) for row in rows} == {("sqlite-utils", VERSION, "1")}
    return {row["command"]: int(row["runs"]) for row in rows}


def _records(archive: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _text(archive).splitlines()]


def _text(archive: Path) -> str:
    """All that the archive holds, while it is written to as well."""
    lines: list[str] = []
    for path in sorted(archive.rglob("*.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as file, suppress(EOFError):  # its end is being written
            lines.extend(file)
    return "".join(lines)


def _notes(suite: Path) -> list[dict[str, Any]]:
    return list(map(json.loads, (suite / "notes").read_text(encoding="utf-8").splitlines()))


def _noted(suite: Path, kind: str) -> set[str]:
    return {word for note in _notes(suite) for word in note.get(kind, ())}


def _secrets(typed: set[str], registered: set[str]) -> set[str]:
    """What was typed, and the parts of it: the tables in a statement, the files in a path."""
    parts = {part for argument in typed for form in (r"\w+", r"[\w.-]+") for part in re.findall(form, argument)}
    return {word for word in (typed | parts) - registered - OURS if len(word) >= LONG}


def _leaked(secrets: set[str], registered: set[str], text: str) -> list[str]:
    """Those that occur in the text anywhere but in a string that is a registered name, an id or a time."""
    known = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[\d:.]+Z")
    left = re.sub(r'"([^"\\]*)"', lambda it: "" if it[1] in registered or known.fullmatch(it[1]) else it[0], text)
    return [word for word in secrets if word in left]
