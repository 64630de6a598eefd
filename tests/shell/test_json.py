"""What the shell records is JSON with exactly the declared values, whatever it is called with."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from shells import SEND, ShellUser, every_shell

from cli_analytics import gate, manifest
from cli_analytics.errors import UndeclaredError

pytestmark = pytest.mark.slow  # it depends little on the Python it runs on

NASTY = [
    *(
        '"',
        "\\",
        "\\\\",
        '\\"',
        "'",
        "''",
        "'\\''",
        "$(touch /tmp/owned)",
        "`id`",
        "${HOME}",
        "$HOME",
        "$$",
        "%",
        "%s%n",
        "%%",
    ),
    *(
        "*",
        "?",
        "[a-z]",
        "[!x]",
        "~",
        "~root",
        "!",
        "!!",
        "#",
        " ",
        "  two  blanks  ",
        "-n",
        "-e",
        "--",
        "=",
        "a=b",
    ),
    *(
        ";",
        "&",
        "|",
        "<",
        ">",
        "(",
        ")",
        "{",
        "}",
        "esac",
        ";;",
        "*)",
        "\\n",
        "\\101",
        "\\c",
        "\\0",
        "é",
        "日本",
        "😀",
        "ß=ẞ",
    ),
    "x" * 100,
]
MANIFEST = f"""\
schema = 1
[tool]
name = "mytool"
controller = "É % \\\\ ' $(id) `id` Foundation"
contact = "it's 100 % \\"quoted\\"@example.org"
[policy]
rotate_id_days = 30
[[sinks]]
type = "segment"
endpoint = "http://127.0.0.1:9"
write_key = "k"
[events.thing_done]
why = "Whether it's % and $HOME"
[events.thing_done.properties]
nasty = {{ one_of = [{", ".join(json.dumps(value, ensure_ascii=False) for value in NASTY)}] }}
sure = {{ type = "boolean" }}
count = {{ type = "integer", min = -5, max = 9007199254740992 }}
deep = {{ type = "integer", min = -4611686018, max = -10 }}
size = {{ bucket = [-10, 10, 3000000000] }}
release = {{ type = "version" }}
[events.bare_fact]
why = "That it happened"
"""
DECLARED = manifest.parse(MANIFEST.encode()).events
NUMBERS = [
    *("0", "-0", "00", "007", "-007", "1", "-1", "-5", "-6", "9", "10", "11", "-9", "-10", "-11", "08", "09", "0x10"),
    *("2147483647", "2147483648", "4294967296", "2999999999", "3000000000", "3000000001", "-4611686018", "-4611686019"),
    *("9007199254740991", "9007199254740992", "9007199254740993", "9" * 30, "-" + "9" * 30, "0" * 30 + "7"),
    *("", "-", "--1", "+1", "1.5", "1e3", " 1", "1 ", "one", "1;id", "$((1))", "a[$(id)]", "٣"),
]
VERSIONS = [
    *(
        "1.2.3",
        "2.0rc1",
        "1.0-beta.2",
        "1",
        "1.2.3.4.5.6",
        "2026.11.21",
        "1.0+1",
        "v1",
        "1.2.3.4.5.6.7",
        "",
        "1.",
        "latest",
    ),
    *("1.2.3\n4", "1.2.3 ", "1.2.3-mybranch", "123456789", "1" * 41, "1.2.3;id", "1.2.3$(id)"),
]


def record(user: ShellUser, shell: str, pairs: list[str]) -> list[dict[str, object]]:
    """The properties of an event for each pair, as it was recorded."""
    text = "\n".join(f"analytics_record thing_done {shlex.quote(pair)}" for pair in pairs)
    assert (
        user.quietly(shell, text, **{SEND: "true", "LC_ALL": "C.UTF-8", "XDG_STATE_HOME": str(user.folder / "s")}) == ""
    )
    found = [json.loads(path.read_bytes()) for path in (user.folder / "s").rglob("new/*.json")]
    return [each["properties"] for each in sorted(found, key=lambda each: each["timestamp"])]


@pytest.fixture
def user(tmp_path: Path) -> ShellUser:
    return ShellUser(tmp_path, manifest=MANIFEST)


@every_shell
def test_every_declared_value_arrives_exactly_as_declared(shell: str, user: ShellUser) -> None:
    found = record(user, shell, [f"nasty={value}" for value in NASTY])
    assert sorted(str(each["nasty"]) for each in found) == sorted(NASTY)
    assert not Path("/tmp/owned").exists()


@every_shell
def test_no_other_value_of_a_list_gets_in(shell: str, user: ShellUser) -> None:
    others = [
        "",
        "nasty",
        "**",
        "[a",
        '"}',
        '","x":"',
        "\n",
        '"\n',
        "É",
        "\\\\\\",
        "x" * 101,
        "x" * 99,
        "a",
        "$(id)",
        "%d",
    ]
    assert record(user, shell, [f"nasty={value}" for value in others]) == [{}] * len(others)


@every_shell
def test_numbers_are_those_that_python_makes_of_them(shell: str, user: ShellUser) -> None:
    bits, keys = (31, ["size"]) if shell == "mksh" else (63, ["count", "deep", "size"])
    if shell != "dash":
        keys = keys[-1:]  # one is enough to see how it counts
    found = record(user, shell, [f"{key}={text}" for text in NUMBERS for key in keys])
    expected = [expect(key, text, bits) for text in NUMBERS for key in keys]
    assert sorted(map(json.dumps, found)) == sorted(map(json.dumps, expected))


def expect(key: str, text: str, bits: int) -> dict[str, object]:
    """Only a number in its shortest form counts, and that the shell can count to."""
    if not re.fullmatch(r"0|-?[1-9][0-9]{0,17}", text, re.ASCII) or len(text) > 18 or abs(int(text)) >= 2**bits:
        return {}
    return {key: DECLARED["thing_done"].properties[key].clean(int(text))}


def test_a_number_that_the_shell_cannot_bound_is_left_out(user: ShellUser) -> None:
    if shutil.which("mksh") is None:
        pytest.skip("no mksh here")
    found = record(user, "mksh", ["count=5", "deep=-11", "size=5"])
    assert sorted(map(str, found)) == ["{'size': '-10-9'}", "{}", "{}"]


@every_shell
def test_versions_and_booleans_are_those_of_python(shell: str, user: ShellUser) -> None:
    booleans = ["true", "false", "True", "1", "", "yes", "true false"]
    found = record(user, shell, [*(f"release={text}" for text in VERSIONS), *(f"sure={text}" for text in booleans)])
    versions = [{"release": text} if is_clean("release", text) else {} for text in VERSIONS]
    assert 5 < sum(map(bool, versions)) < len(VERSIONS) - 5
    expected = [*versions, {"sure": True}, {"sure": False}, *[{}] * 5]
    assert sorted(map(json.dumps, found)) == sorted(map(json.dumps, expected))


def is_clean(key: str, value: object) -> bool:
    try:
        return DECLARED["thing_done"].properties[key].clean(value) == value
    except UndeclaredError:
        return False


@every_shell
def test_what_is_not_declared_is_left_out_and_said_only_to_who_asks(shell: str, user: ShellUser) -> None:
    text = (
        "analytics_record thing_done sure=true other=1 'sure\":1,\"x=2' sure sure=false size=3; "
        "analytics_record other sure=true; analytics_record; analytics_record ''; analytics_record bare_fact x=1"
    )
    state = {"XDG_STATE_HOME": str(user.folder / "s"), SEND: "true"}
    assert user.quietly(shell, text, **state) == ""
    found = {each["event"]: each["properties"] for each in map(json.loads, waiting(user))}
    assert found == {"thing_done": {"sure": True, "size": "-10-9"}, "bare_fact": {}}

    done = user.sh(shell, text, **state, CLI_ANALYTICS_DEBUG="1")
    lines = done.stderr.splitlines()
    assert [json.loads(line)["properties"] for line in lines if line.startswith("{")] == [
        {"sure": True, "size": "-10-9"},
        {},
    ]
    assert len(lines) == 10
    assert len(waiting(user)) == 2
    assert done.stdout == ""


def waiting(user: ShellUser) -> list[bytes]:
    return [path.read_bytes() for path in (user.folder / "s").rglob("new/*.json")]


@every_shell
def test_the_gate_lets_every_event_of_the_shell_pass_unchanged(shell: str, user: ShellUser) -> None:
    text = "analytics_record thing_done nasty=é count=7 size=7 release=1.2.3; analytics_run true"
    user.quietly(
        shell,
        text,
        **{"XDG_STATE_HOME": str(user.folder / "s"), SEND: "1", "analytics_command": "db migrate", "LC_ALL": "C.UTF-8"},
    )
    found = [json.loads(content) for content in waiting(user)]
    assert len(found) == 2
    for each in found:
        checked = gate.check(each, DECLARED)
        assert (checked.event, checked.problems) == (each, ())
        assert list(each["context"]) == "ip library app os arch cpus ci container sessionId".split()
    assert {path.stat().st_mode & 0o777 for path in user.home.rglob("*") if path.is_file()} == {0o600}
