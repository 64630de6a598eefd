"""Promise 10, small: four dependencies, short files, and an import that opens nothing."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import cli_analytics

Figures = Callable[[str, object], None]
PACKAGE = Path(cli_analytics.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
FOUR = {"click", "platformdirs", "requests", "tomli"}
EXTRAS = {"collector": {"msgspec", "uvicorn"}, "reports": {"duckdb"}, "testing": {"pytest"}}

MAX_LINES, MAX_FUNCTION, MEDIAN_BODY = 300, 40, 6


def requirements(name: str) -> dict[str, Requirement]:
    """What the distribution `name` needs on this Python, without extras."""
    found = map(Requirement, importlib.metadata.requires(name) or ())
    return {each.name: each for each in found if each.marker is None or each.marker.evaluate({"extra": ""})}


def test_what_is_installed_with_it_are_four_packages_at_most() -> None:
    needed = requirements("cli-analytics")
    assert needed.keys() == FOUR - ({"tomli"} if sys.version_info >= (3, 11) else set())
    every = map(Requirement, importlib.metadata.requires("cli-analytics") or ())
    assert {each.name for each in every if "extra" not in str(each.marker)} == FOUR


def imports(path: Path) -> Iterator[str]:
    """The packages that a file imports anywhere, for typing or not."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


@pytest.mark.skipif(sys.version_info < (3, 10), reason="Python 3.9 does not know the names of its own modules")
def test_no_file_imports_more_than_that_and_the_extra_of_its_folder() -> None:
    allowed = {*sys.stdlib_module_names, "tomllib", *FOUR, "cli_analytics"}  # tomllib: from 3.11 on, tomli below
    strangers = {
        f"{path.relative_to(PACKAGE)}: {name}"
        for path in FILES
        for name in set(imports(path)) - allowed - EXTRAS.get(Path(path.relative_to(PACKAGE).parts[0]).stem, set())
    }
    assert strangers == set()


def needed_by(name: str) -> set[str]:
    """A distribution and all that it needs."""
    return {name}.union(*(needed_by(other) for other in requirements(name)))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what `pip install cli-analytics` would put there, and nothing else."""
    folder = tmp_path_factory.mktemp("site")
    for name in needed_by("cli-analytics") - {"cli-analytics"}:
        installed = importlib.metadata.distribution(name)
        for top in {file.parts[0] for file in installed.files or ()} - {"..", "__pycache__"}:
            (folder / top).symlink_to(str(installed.locate_file(top)))
    (folder / "cli_analytics").symlink_to(PACKAGE)
    return folder


def python(site: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script where nothing else is installed."""
    start = f"import sys; sys.path.append({str(site)!r})\n"
    command = [sys.executable, "-I", "-S", "-c", start + script]
    return subprocess.run(command, cwd=site, capture_output=True, text=True, timeout=60)


def test_without_an_extra_everything_but_the_extras_can_be_imported(site: Path) -> None:
    names = [".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in FILES]
    behind = ("cli_analytics.collector.", "cli_analytics.reports.warehouse", "cli_analytics.testing")
    client = [name.removesuffix(".__init__") for name in names if not name.startswith(behind)]
    script = "".join(f"import {name}\n" for name in client if not name.endswith("__main__"))
    done = python(site, script + "print(*sorted({name.partition('.')[0] for name in sys.modules}))")
    assert (done.returncode, done.stderr) == (0, "")
    loaded = set(done.stdout.split())
    assert {"cli_analytics", "click", "requests"} <= loaded
    assert not loaded & {"msgspec", "uvicorn", "duckdb", "pytest"}


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["collect", "--manifest", str(PACKAGE / "demo" / "analytics.toml"), "--archive", "a"], "collector"),
        (["report", "a", "--out", "b"], "reports"),
    ],
)
def test_what_needs_an_extra_says_how_to_install_it(site: Path, arguments: list[str], extra: str) -> None:
    done = python(site, f"from cli_analytics.cli import main\nmain({arguments!r})")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(f"pip install 'cli-analytics[{extra}]'\n")
    assert done.stderr.count("\n") == 1
    assert {path.name for path in site.iterdir()}.isdisjoint({"a", "b"})


WATCHED = """
import json, os, sys
import click

seen = []
STARTS = ("socket.", "subprocess.", "_thread.start", "fcntl.", "tempfile.", "os.posix_spawn", "os.fork", "os.exec")

def watch(event, arguments):
    if event == "open" and not str(arguments[0]).endswith((".py", ".pyc", ".so")):
        seen.append(f"open {arguments[0]}")
    elif event.startswith((*STARTS, "os.mkdir", "os.rename", "os.remove", "os.utime", "os.system", "os.chmod")):
        seen.append(event)

sys.addaudithook(watch)
before = set(sys.modules)
import cli_analytics
analytics = cli_analytics.Analytics("mytool", version="1.2.3", manifest="analytics.toml")
analytics.command(lambda: None)
analytics.command(click.Command("one"))
analytics.attach(click.Group("mytool", commands=[click.Command("two")]))
print(json.dumps([seen, len(set(sys.modules) - before)]))
"""


def test_to_import_and_to_instrument_opens_no_file_no_socket_and_no_process(
    tmp_path: Path, record_property: Figures
) -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", WATCHED], env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    seen, modules = json.loads(done.stdout)
    assert (seen, list(tmp_path.iterdir())) == ([], [])
    record_property("figure", f"to import and to instrument loads {modules} modules more than click")


def functions() -> Iterator[tuple[str, int, int]]:
    """Each function: where it is, how long it is, and how long its body is without the docstring."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
                lines = _last(node) - node.lineno + 1
                yield f"{path.name}: {node.name}", lines, _last(body[-1]) - body[0].lineno + 1


def _last(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


@pytest.mark.slow
def test_files_and_functions_are_short(record_property: Figures) -> None:
    lengths = {str(path): path.read_text(encoding="utf-8").count("\n") for path in FILES}
    assert {path: length for path, length in lengths.items() if length > MAX_LINES} == {}
    assert [name for name, lines, _ in functions() if lines > MAX_FUNCTION] == []
    bodies = [body for _, _, body in functions()]
    median = statistics.median(bodies)
    assert median <= MEDIAN_BODY
    figure = (
        f"{len(FILES)} files, {max(lengths.values())} lines at most; {len(bodies)} functions, median body {median:g}"
    )
    record_property("figure", figure)


def test_type_checkers_are_told_that_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").exists()
