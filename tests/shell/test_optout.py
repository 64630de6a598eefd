"""The shell passes the table of what counts as yes and no that Python passes, and decides as Python does."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from shells import SEND, SHELLS, ShellUser, every_shell
from support import MANIFEST, TOOL

from cli_analytics import consent, disclosure, environment, manifest, storage
from cli_analytics.consent import Facts, Stamp

pytestmark = pytest.mark.slow  # it depends little on the Python it runs on

TABLE = Path(__file__).parents[1] / "data" / "optout.tsv"
SIGNS = {"(empty)": "", "(sp)": " "}
DIGEST = disclosure.digest(manifest.parse(MANIFEST.encode()))
MEANS = {"off": "(environment)", "yes": "(default)", "none": "(notice)"}
ID = "0b7e2f9a-1c3d-4e5f-8a9b-0c1d2e3f4a5b"


def rows() -> list[tuple[str, dict[str, str], str]]:
    found = []
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, value, opinion = line.split("\t")
            for sign, meaning in SIGNS.items():
                value = value.replace(sign, meaning)
            found.append((name, {} if value == "(unset)" else {name: value}, opinion))
    return found


@every_shell
def test_each_row_of_the_table(shell: str, tmp_path: Path) -> None:
    user = ShellUser(tmp_path)
    wrong = []
    for name, environ, opinion in rows():
        said = user.sh(shell, "analytics_status", **environ).stdout
        if MEANS[opinion] not in said:
            wrong.append((name, environ, opinion, said))
        if name == environment.DO_NOT_TRACK:
            renamed = dict.fromkeys(["MYTOOL_NO_ANALYTICS"], environ[name]) if environ else {}
            assert MEANS[opinion] in user.sh(shell, "analytics_status", **renamed).stdout
    assert len(rows()) > 30
    assert not wrong


def choice(content: str, *places: str) -> Callable[[ShellUser], None]:
    """A choice file in the user's (`~`) or the machine's (`/`) configuration directory."""

    def prepare(user: ShellUser) -> None:
        for place in places:
            path = user.home / ".config" / place[2:] if place.startswith("~/") else user.site / place[1:]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="ascii")

    return prepare


def folder_in_place_of_a_choice(user: ShellUser) -> None:
    (user.home / ".config" / TOOL / "analytics" / "choice").mkdir(parents=True)


def dangling_link_as_choice(user: ShellUser) -> None:
    folder = user.home / ".config" / TOOL / "analytics"
    folder.mkdir(parents=True)
    (folder / "choice").symlink_to("nowhere")


def no_home(user: ShellUser) -> None:
    user.home.rmdir()


def file_in_place_of_state(user: ShellUser) -> None:
    (user.home / ".local").write_text("", encoding="ascii")


def nothing(_: ShellUser) -> None:
    """The source is a variable."""


# What is there, and what variables say; the policy; the version.
SITUATIONS: dict[str, tuple[Callable[[ShellUser], None], dict[str, str], str, str]] = {
    "nobody was told": (nothing, {}, "", "1.2.3"),
    "an explicit yes": (nothing, {SEND: "yes"}, "", "1.2.3"),
    "the tool's own machine-wide no": (choice("off\n", "/mytool/analytics/choice"), {SEND: "1"}, "", "1.2.3"),
    "the machine's no to all": (choice("off", "/cli-analytics/choice"), {SEND: "1"}, "", "1.2.3"),
    "the machine's yes": (choice("on\n", "/mytool/analytics/choice"), {SEND: "1"}, "", "1.2.3"),
    "a saved no": (choice("off 2026-11-21\n", "~/mytool/analytics/choice"), {SEND: "1"}, "", "1.2.3"),
    "a saved no to all": (choice("off\n", "~/cli-analytics/choice"), {SEND: "1"}, "", "1.2.3"),
    "a choice that says nothing": (choice("", "~/mytool/analytics/choice"), {SEND: "1"}, "", "1.2.3"),
    "a choice that is mistyped": (choice("onn\n", "~/mytool/analytics/choice"), {SEND: "1"}, "", "1.2.3"),
    "a choice that is a folder": (folder_in_place_of_a_choice, {SEND: "1"}, "", "1.2.3"),
    "a choice that leads nowhere": (dangling_link_as_choice, {SEND: "1"}, "", "1.2.3"),
    "a tool's own variable": (nothing, {SEND: "1", "MYTOOL_NO_ANALYTICS": "please"}, "", "1.2.3"),
    "two words": (nothing, {SEND: "yes please"}, "", "1.2.3"),
    "a hand-over of a no": (nothing, {SEND: "1", "CLI_ANALYTICS_HANDOVER": f"1:{ID}:d:off"}, "", "1.2.3"),
    "a short hand-over of a no": (nothing, {SEND: "1", "CLI_ANALYTICS_HANDOVER": "1:off"}, "", "1.2.3"),
    "a hand-over of nonsense": (nothing, {SEND: "1", "CLI_ANALYTICS_HANDOVER": f"1:{ID}:d:on:x"}, "", "1.2.3"),
    "a hand-over of too much": (nothing, {SEND: "1", "CLI_ANALYTICS_HANDOVER": f"1:{ID}:d:e:on"}, "", "1.2.3"),
    "a hand-over without an id": (nothing, {SEND: "1", "CLI_ANALYTICS_HANDOVER": "1:x:d:on"}, "", "1.2.3"),
    "a hand-over of nothing but dashes": (
        nothing,
        {"CLI_ANALYTICS_HANDOVER": f"1:{'-' * 36}:{DIGEST}:on"},
        "",
        "1.2.3",
    ),
    "a hand-over of another manifest": (nothing, {"CLI_ANALYTICS_HANDOVER": f"1:{ID}:d:on"}, "", "1.2.3"),
    "the last day was yesterday": (nothing, {SEND: "1"}, "ends = 2020-01-01", "1.2.3"),
    "the last day is to come": (nothing, {SEND: "1"}, "ends = 2999-12-31", "1.2.3"),
    "CI": (nothing, {SEND: "1", "GITHUB_ACTIONS": "true", "CI": "true"}, "", "1.2.3"),
    "some CI": (nothing, {SEND: "1", "BUILD_NUMBER": "7"}, "", "1.2.3"),
    "CI that denies it": (nothing, {SEND: "1", "CI": " False ", "TRAVIS": "1"}, "", "1.2.3"),
    "CI that may": (nothing, {SEND: "1", "CI": "1"}, 'ci = "on"', "1.2.3"),
    "a test run": (nothing, {SEND: "1", "TOX_ENV_NAME": "py"}, "", "1.2.3"),
    "a development version": (nothing, {SEND: "1"}, "", "1.2.3.DEV0"),
    "no version": (nothing, {SEND: "1"}, "", ""),
    "no home": (no_home, {SEND: "1"}, "", "1.2.3"),
    "a home that is no path": (nothing, {SEND: "1", "HOME": "here"}, "", "1.2.3"),
    "no room for the state": (file_in_place_of_state, {SEND: "1"}, "", "1.2.3"),
    "a hand-over of a yes": (nothing, {"CLI_ANALYTICS_HANDOVER": f" 1:{ID}:{DIGEST}:on "}, "", "1.2.3"),
    "opt-in": (nothing, {}, 'default = "off"', "1.2.3"),
    "opt-in with a yes": (choice("on\n", "~/mytool/analytics/choice"), {}, 'default = "off"', "1.2.3"),
    "opt-in with an explicit yes": (nothing, {SEND: "t"}, 'default = "off"', "1.2.3"),
}


@pytest.mark.parametrize("situation", SITUATIONS)
@every_shell
def test_every_rule_decides_as_in_python(shell: str, situation: str, tmp_path: Path) -> None:
    prepare, environ, policy, version = SITUATIONS[situation]
    user = ShellUser(tmp_path, manifest=MANIFEST.replace("[policy]\n", f"[policy]\n{policy}\n"))
    prepare(user)
    text = f"analytics_begin '{version}'\nanalytics_status"
    said = user.sh(shell, text, **{"XDG_STATE_HOME": "", **environ}).stdout

    allowed, source = python_decides(user, environ, version)
    assert said.splitlines()[0] == f"mytool: usage data is {'' if allowed else 'NOT '}recorded"
    assert f"({source})" in said.splitlines()[1]


def python_decides(user: ShellUser, environ: dict[str, str], version: str) -> tuple[bool, str]:
    is_test = version != "1.2.3" or "TOX_ENV_NAME" in environ
    environ = {**user.environ, **environ}
    try:
        where = storage.locate(TOOL, environ)
    except storage.StorageError:
        return False, "storage"
    policy = manifest.load(str(user.manifest)).policy
    stamp = Stamp(
        disclosure=DIGEST, default=policy.default, ci=policy.ci, ends=policy.ends, opt_out_env=policy.opt_out_env
    )
    # This process has pytest in it, which is a test run to Python, but none to the script.
    found = consent.decide(Facts(environ, where, stamp, informed=False, version=version, record_in_tests=not is_test))
    return found.allowed, found.source


@every_shell
def test_a_folder_that_cannot_be_searched_hides_no_choice(shell: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        user = ShellUser(Path(folder))
        hidden = user.home / ".config" / TOOL
        hidden.mkdir(parents=True)
        command = [*SHELLS[shell][0], "-c", user.script("analytics_status")]
        if os.geteuid() == 0:  # who may search everything
            command = ["setpriv", "--reuid=65534", "--clear-groups", *command]
            for path in (user.folder, user.home, user.home / ".config", hidden):
                os.chown(path, 65534, -1)
        hidden.chmod(0)
        done = subprocess.run(command, env={**user.environ, SEND: "true"}, capture_output=True, text=True, timeout=60)
        hidden.chmod(0o700)
    assert "NOT recorded" in done.stdout
    assert "/choice can't be read (choice)" in done.stdout
