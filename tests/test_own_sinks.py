"""A maintainer's own sink, by entry point: the example of the docs, installed and used; and one that fails."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
from recorder import Recorder, recorder
from support import MANIFEST, User, user_at
from watch import until

from cli_analytics import environment, log

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "sinks.md").read_text(encoding="utf-8")
OWN = PAGE.partition("## A sink of your own")[2]
CODE = re.findall(r"```python\n(.*?)```", OWN, re.DOTALL)[0]
PACKAGE, TABLE = re.findall(r"```toml\n(.*?)```", OWN, re.DOTALL)
SEGMENT = '[[sinks]]\ntype = "segment"\nendpoint = "{url}"\nwrite_key = "key-of-mytool"\n'


@pytest.fixture
def server() -> Iterator[Recorder]:
    with recorder() as running:
        yield running


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    with user_at(tmp_path) as somebody:
        del somebody.environ[environment.ENDPOINT]
        yield somebody


def give(user: User, *sinks: str) -> None:
    head, rest = MANIFEST.split("[[sinks]]")
    user.manifest.write_text(head + "".join(sinks) + rest[rest.index("[events.") :], encoding="utf-8")


def provide(user: User, code: str) -> None:
    """As an installer leaves it: the module, and what it says of itself, where the tool finds its packages."""
    site = user.folder / "site-packages"
    [name, value] = re.findall(r'^(plausible) = "(.*)"$', PACKAGE, re.MULTILINE)[0]
    about = site / "mytool_plausible-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: mytool-plausible\nVersion: 1.0\n", encoding="utf-8")
    (about / "entry_points.txt").write_text(f"[cli_analytics.sinks]\n{name} = {value}\n", encoding="utf-8")
    (site / "mytool_plausible.py").write_text(code, encoding="utf-8")
    user.environ["PYTHONPATH"] = str(site)


def test_the_example_is_short() -> None:
    assert len(CODE.splitlines()) < 30


@pytest.mark.slow
def test_the_example_works_when_it_is_installed(user: User, server: Recorder, tmp_path: Path) -> None:
    project, site = tmp_path / "project", tmp_path / "installed"
    project.mkdir()
    (project / "mytool_plausible.py").write_text(CODE, encoding="utf-8")
    text = PACKAGE.replace('dependencies = ["cli-analytics"]\n', "")  # it is there, in this very version
    (project / "pyproject.toml").write_text(text, encoding="utf-8")
    pip = [str(tmp_path / "venv" / "bin" / "python"), "-m", "pip", "install", "--quiet", "--target", str(site)]
    try:
        venv.create(tmp_path / "venv", with_pip=True)
        subprocess.run([*pip, str(project)], check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"what builds a package can't be installed here: {error.stderr}")
    user.environ["PYTHONPATH"] = str(site)
    _expect_events(user, server)


def test_the_example_works_as_an_installer_leaves_it(user: User, server: Recorder) -> None:
    provide(user, CODE)
    _expect_events(user, server)


def _expect_events(user: User, server: Recorder) -> None:
    give(user, TABLE.replace("https://plausible.example.org", server.url))
    user.inform()
    for _ in range(2):
        assert user.run("hello").stdout == "hello\n"
    until(lambda: len(server.requests) == 2)
    assert {request.path for request in server.requests} == {"/api/event"}
    body = {"name": "command_run", "domain": "mytool.example.org", "url": "app://mytool"}
    assert [json.loads(request.body) for request in server.requests] == [body, body]
    until(lambda: not user.waiting() and not user.claimed())


def check(user: User) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli_analytics", "check", str(user.manifest)]
    return subprocess.run(command, env=user.environ, capture_output=True, text=True)


def test_one_that_is_not_installed_is_an_error_of_the_manifest(user: User) -> None:
    give(user, TABLE)
    found = check(user)
    assert found.returncode == 1
    assert "sinks[0].type: 'plausible' is no sink, and no installed package brings one." in found.stderr
    assert "Allowed: console, file, ga4, influxdb, segment, universal." in found.stderr
    assert user.on_terminal("hello").terminal == ""
    assert user.run("hello").stderr == ""
    assert list(user.home.iterdir()) == [], "a broken manifest means off"


def test_one_that_is_installed_is_none(user: User) -> None:
    provide(user, CODE)
    give(user, TABLE)
    assert (check(user).returncode, check(user).stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("def encode(*arguments):\n    raise SystemError('of its own')\n", "SystemError: of its own"),
        ("def encode(*arguments):\n    return 5\n", "TypeError"),
        ("import nothing_of_that_name\n", "ModuleNotFoundError"),
        ("", "AttributeError"),
        ("def encode(*arguments):\n    return ['a request']\n", "TypeError"),
    ],
)
def test_what_it_raises_keeps_no_other_sink_from_its_events(
    user: User, server: Recorder, code: str, problem: str
) -> None:
    provide(user, CODE)
    give(user, TABLE, SEGMENT.format(url=server.url))
    user.inform()
    (user.folder / "site-packages" / "mytool_plausible.py").write_text(code, encoding="utf-8")
    user.run("hello")
    assert len(server.wait(1)) == 1
    until(lambda: not user.senders())
    [entry] = [entry for entry in log.read(user.where) if entry["delivery"] == "RETRY"]
    assert entry["to"] == "plausible at plausible.example.org"
    assert problem in entry["problem"]
    shown = user.run("analytics", "preview")
    assert (shown.returncode, shown.stderr) == (1, f"Error: {entry['problem']}\n")
    user.run("hello")
    assert len(server.wait(2)) == 2
    assert len({event["messageId"] for event in server.events}) == len(server.events) == 2
