"""The library as a file: what is baked into it, that shellcheck has nothing to say, and what a part of it does."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from shells import SEND, ShellUser, needs_shellcheck
from support import MANIFEST

from cli_analytics import containers, demo, manifest, shell_library
from cli_analytics.errors import ManifestError

pytestmark = pytest.mark.slow  # it depends little on the Python it runs on

ROOT = Path(shell_library.__file__).parents[1]
PARTS = [ROOT / "shell" / name for name in shell_library.PARTS]
DEMO = Path(demo.__file__).with_name("analytics.toml")
EVERY = 31  # bytes from one cut to the next


@needs_shellcheck
def test_shellcheck_has_nothing_to_say(tmp_path: Path) -> None:
    baked = tmp_path / "baked.sh"
    baked.write_text(shell_library.bake(MANIFEST.encode()), encoding="ascii")
    done = subprocess.run(["shellcheck", "-s", "sh", *PARTS, baked], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_no_part_is_longer_than_300_lines_and_no_line_than_120_signs() -> None:
    for path in PARTS:
        lines = path.read_text(encoding="ascii").splitlines()
        assert len(lines) <= 300, path.name
        assert max(map(len, lines)) <= 120, path.name


def test_without_a_manifest_in_it_nothing_is_recorded_and_everything_works(tmp_path: Path) -> None:
    text = f". {PARTS[0]}; analytics_begin 1; analytics_record x; analytics_run sh -c 'exit 3'; echo $?; analytics_end"
    done = subprocess.run(
        ["dash", "-c", text], env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]}, capture_output=True
    )
    assert (done.stdout, done.stderr, list(tmp_path.iterdir())) == (b"3\n", b"", [])


def test_what_is_cut_off_at_any_byte_runs_nothing(tmp_path: Path) -> None:
    user = ShellUser(tmp_path)
    whole = user.library.read_bytes() + b"analytics_begin 1.2.3; analytics_run true; analytics_end; echo whole\n"
    end = whole.rindex(b"} # The end.")
    environ = {**user.environ, SEND: "true"}
    for cut in (*range(0, end, EVERY), *range(end - 20, end + 1)):
        done = subprocess.run(["dash"], input=whole[:cut], env=environ, cwd=user.folder, capture_output=True)
        assert done.stdout == b""
        assert not done.stderr or (done.returncode == 2 and b"yntax error" in done.stderr), whole[:cut][-80:]
    assert [*user.home.iterdir(), *user.memory.iterdir()] == []
    done = subprocess.run(["dash"], input=whole, env=environ, cwd=user.folder, capture_output=True)
    assert done.stdout == b"whole\n"
    assert list(user.home.iterdir())


def test_the_command_writes_what_is_baked(tmp_path: Path) -> None:
    out = tmp_path / "my.sh"
    command = [sys.executable, "-m", "cli_analytics", "shell", str(DEMO)]
    written = subprocess.run([*command, "--out", str(out)], cwd=ROOT, capture_output=True, text=True)
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (written.returncode, written.stdout) == (0, f"wrote {out}\n")
    expected = shell_library.bake(DEMO.read_bytes()).replace(f"_memory='{containers.MEMORY}'", "_memory='/dev/shm'")
    assert printed.stdout == out.read_text(encoding="ascii") == expected


def test_a_manifest_that_the_shell_can_send_nothing_of_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "analytics.toml"
    path.write_text(MANIFEST.replace('"segment"', '"influxdb"').replace("write_key", 'org = "o"\nbucket = "b"\ntoken'))
    command = [sys.executable, "-m", "cli_analytics", "shell", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert "has no sink that the shell can send to. Allowed: type = segment." in done.stderr


def test_sinks_that_the_shell_cannot_serve_are_named() -> None:
    declared = manifest.parse(f'{MANIFEST}\n[[sinks]]\ntype = "file"\npath = "/var/log/x"\n'.encode())
    assert shell_library.remarks(declared) == [
        "the shell can't send to file in /var/log/x: what it records waits for the Python client"
    ]
    assert shell_library.remarks(manifest.parse(MANIFEST.encode())) == []
    twice = manifest.parse(f'{MANIFEST}\n[[sinks]]\ntype = "segment"\nwrite_key = "b"\n'.encode())
    assert len(shell_library.remarks(twice)) == 1


def test_what_is_wrong_in_a_manifest_is_said_with_its_file() -> None:
    with pytest.raises(ManifestError, match="mine.toml: schema"):
        shell_library.bake(b"schema = 2", file="mine.toml")


def test_an_installed_package_has_the_parts(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)], cwd=ROOT, check=True
    )
    [wheel] = tmp_path.glob("*.whl")
    assert {f"cli_analytics/shell/{path.name}" for path in PARTS} <= set(zipfile.ZipFile(wheel).namelist())
