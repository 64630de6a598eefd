"""`cli-analytics collect --import` under faults: kills, damaged files, folders that are in the way."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("msgspec")
pytest.importorskip("uvicorn")

from collecting import event
from importing import PEAK, Site, ids, several, snapshot

import cli_analytics
from cli_analytics import collector, manifest, storage
from cli_analytics.collector import lines

pytestmark = pytest.mark.slow  # it depends little on the Python it runs on


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_kill_half_way_doubles_and_loses_nothing(site: Site) -> None:
    events = several(20_000)
    for start in range(0, len(events), 4000):
        site.write(*events[start : start + 4000])
    partial = 0
    for _ in range(3):
        partial = _killed_import(site, partial)
        assert 0 < partial < len(events)
    done = site.take()
    assert done.stdout == f"imported {len(events) - partial}, already there {partial}, undeclared 0\n"
    assert site.ids() == ids(events)


def _killed_import(site: Site, before: int) -> int:
    """Kill an import as soon as it has archived anything, and return how much there is in the archive."""
    process = subprocess.Popen([*site.command, "--import", str(site.source)], stdout=subprocess.PIPE)
    files = set(site.archive.rglob("*.gz"))
    while process.poll() is None and not any(path.stat().st_size for path in set(site.archive.rglob("*.gz")) - files):
        time.sleep(0.001)
    process.kill()
    process.communicate()
    found = site.ids().total()
    assert found > before and process.returncode == -9
    return found


def test_a_torn_end_in_the_archive_is_what_a_kill_leaves_and_its_record_is_taken_in(site: Site) -> None:
    kept, lost = event(), event()
    site.write(kept)
    site.take()
    [file] = site.archive.rglob("*.gz")
    file.write_bytes(file.read_bytes() + gzip.compress(json.dumps(lost).encode() + b"\n")[:99])
    site.write(lost)
    done = site.take()
    assert (done.returncode, done.stdout) == (0, "imported 1, already there 1, undeclared 0\n")


def test_what_cannot_be_read_is_said_with_file_and_line_and_the_rest_is_taken_in(site: Site) -> None:
    good = several(6)
    site.write(*good[:2])
    texts = [json.dumps(each).encode() for each in good]
    odd = [b"", b"{", b"[]", b"\xff", b'{"messageId": 1, "type": "track"}', b"x" * 1_000_000]
    mixed = site.raw("a/mixed.gz", gzip.compress(b"\n".join([texts[2], *odd, texts[3]]) + b"\n"))
    torn = site.raw("b/torn.gz", gzip.compress(texts[4] + b"\n") + gzip.compress(texts[5] + b"\n")[:99])
    broken = site.raw("c/broken.gz", gzip.compress(texts[5] + b"\n") + b"no gzip member")
    foreign = site.raw("d/foreign.gz", b"no gzip")
    site.raw("e/notes.txt", b"not looked at")
    site.raw("e/empty.gz", b"")
    before = snapshot(site.source)
    done = site.take()
    assert done.returncode == 1
    assert done.stdout == "imported 6, already there 0, undeclared 0\n"
    assert done.stderr.splitlines() == [
        *(f"Error: {mixed}:{number}: is no record" for number in range(2, 8)),
        f"Error: {torn}:2: is torn here, as if its writer had been killed",
        f"Error: {broken}:2: is damaged from here on",
        f"Error: {foreign}:1: is no gzip file",
    ]
    assert site.ids() == ids(good)
    assert snapshot(site.source) == before


def test_of_a_file_that_is_no_archive_the_first_lines_are_named(site: Site) -> None:
    path = site.raw("log.gz", gzip.compress(b"a line of a log\n" * 1000))
    site.write(event())
    done = site.take("--json")
    assert done.returncode == 1
    answer = json.loads(done.stdout)
    assert {key: answer[key] for key in ("imported", "already_there", "undeclared")} == {
        "imported": 1,
        "already_there": 0,
        "undeclared": 0,
    }
    assert len(answer["problems"]) == 11
    assert answer["problems"][0] == {"file": str(path), "line": 1, "problem": "is no record"}
    assert answer["problems"][10] == {"file": str(path), "line": 0, "problem": "990 more lines like these"}


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_said(site: Site) -> None:
    [path] = site.write(event())
    path.chmod(0)
    assert "can't be read: Permission denied" in site.take().stderr


def test_a_file_that_is_gone_when_it_is_its_turn_is_said(site: Site) -> None:
    [path] = site.write(event())
    path.with_name("dangling.gz").symlink_to(path)
    spoken: list[str] = []

    def say(text: str) -> None:
        spoken.append(text)
        path.unlink(missing_ok=True)

    loaded = [manifest.load(str(site.manifests[0]))]
    result = collector.import_folder(str(site.source), loaded, str(site.archive), say=say, pause_seconds=0)
    assert result.imported == 0 and spoken
    assert [problem.problem for problem in result.problems] == ["can't be read: No such file or directory"]


def test_an_archive_that_cannot_be_written_is_said(site: Site) -> None:
    site.write(event())
    site.archive.write_text("a file where a folder should be")
    done = site.take()
    assert done.returncode == 1 and "can't be written" in done.stderr


def test_two_imports_keep_out_of_each_others_way(site: Site) -> None:
    site.write(event())
    site.archive.mkdir()
    lock = storage.lock(str(site.archive / "import.lock"))
    assert lock is not None
    try:
        done = site.take()
    finally:
        os.close(lock)
    assert done.returncode == 1 and "another import into it is under way" in done.stderr
    assert site.take().stdout == "imported 1, already there 0, undeclared 0\n"


def test_a_line_may_end_in_any_member_and_the_last_one_needs_no_end(tmp_path: Path) -> None:
    path = tmp_path / "1.gz"
    path.write_bytes(b"".join(map(gzip.compress, (b"fir", b"st\nsec", b"", b"ond\n", b"third"))))
    assert list(lines.read(path)) == [b"first", b"second", b"third"]


def test_a_file_is_read_up_to_the_size_it_had(tmp_path: Path) -> None:
    path = tmp_path / "1.gz"
    first = gzip.compress(b"first\n")
    path.write_bytes(first + gzip.compress(b"second\n"))
    assert list(lines.read(path, len(first))) == [b"first"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
def test_a_file_that_was_made_to_burst_is_read_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "1.gz"
    with gzip.open(path, "wb", 1) as file:
        for piece in (b"a\n", *[b"x" * 1_000_000] * 300, b"\nb\n"):
            file.write(piece)
    code = f"from pathlib import Path; from cli_analytics.collector import lines\n{PEAK}"
    code += "before = peak(); print([len(line) for line in lines.read(Path(sys.argv[1]))]); print(peak() - before)"
    root = Path(cli_analytics.__file__).parents[1]
    command = [sys.executable, "-c", code, str(path)]
    sizes, kilobytes = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    assert sizes == f"[1, {lines.MAX_LINE}, 1]"
    assert int(kilobytes) < 20_000
