"""The notice, the page and the digest: what a user is told, all of it from the manifest."""

from __future__ import annotations

import re

import pytest

from cli_analytics import disclosure, event, manifest

MANIFEST = """\
schema = 1
[tool]
name = "mytool"
controller = "Example Foundation"
contact = "privacy@example.org"
page = "https://example.org/analytics"
source = "https://example.org/src"
[policy]
opt_out_env = ["MYTOOL_NO_ANALYTICS"]
retention_days = 90
ends = 2028-11-21
[[sinks]]
type = "segment"
endpoint = "https://collect.example.org"
write_key = "key-of-mytool"
[events.report_exported]
why = "Which formats deserve work"
[events.report_exported.properties]
format = { one_of = ["csv", "json"] }
rows = { bucket = [10, 100] }
"""


def parse(text: str = MANIFEST) -> manifest.Manifest:
    return manifest.parse(text.encode())


def digest(old: str = "", new: str = "") -> str:
    assert old in MANIFEST
    return disclosure.digest(parse(MANIFEST.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("schema = 1", "# a comment\nschema = 1"),
        ("privacy@example.org", "other@example.org"),
        ("https://example.org/analytics", "https://example.org/other"),
        ("https://example.org/src", "https://example.org/other"),
        ("key-of-mytool", "other"),
        ('opt_out_env = ["MYTOOL_NO_ANALYTICS"]\n', ""),
        ("ends = 2028-11-21\n", ""),
        (
            '[[sinks]]\ntype = "segment"\nendpoint',
            '[[sinks]]\nendpoint = "https://collect.example.org/"\ntype = "segment"\n#',
        ),
    ],
)
def test_the_digest_stays_where_no_more_is_disclosed(old: str, new: str) -> None:
    assert digest(old, new) == digest()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Example Foundation", "Somebody Else"),
        ("Which formats deserve work", "Because"),
        ('"json"]', '"json", "html"]'),
        ("[10, 100]", "[10, 20, 100]"),
        ("rows = {", "lines = {"),
        ("rows = {", 'cached = { type = "boolean" }\nrows = {'),
        ("[events.report_exported]", '[events.page_opened]\nwhy = "W"\n[events.report_exported]'),
        ("collect.example.org", "other.example.org"),
        ("retention_days = 90", "retention_days = 91"),
        ("[[sinks]]", '[[sinks]]\ntype = "segment"\nwrite_key = "k"\n[[sinks]]'),
    ],
)
def test_the_digest_changes_with_what_is_disclosed(old: str, new: str) -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", digest(old, new))
    assert digest(old, new) != digest()


def test_the_digest_does_not_depend_on_the_order_of_the_recipients() -> None:
    one = '[[sinks]]\ntype = "segment"\nendpoint = "https://one.example.org"\nwrite_key = "k"\n'
    other = one.replace("one.example", "other.example")
    found = {disclosure.digest(parse(MANIFEST + both)) for both in (one + other, other + one)}
    assert len(found) == 1


def test_the_notice_says_everything_within_the_width_of_a_terminal() -> None:
    text = disclosure.notice(parse(), parse().sinks, commands="mytool analytics", where="/home/ada/choice")
    for said in (
        "mytool collects pseudonymous usage data",
        "Example Foundation (privacy@example.org)",
        "which formats deserve work",
        "segment at collect.example.org",
        "90 days",
        "https://example.org/analytics",
        "mytool analytics preview",
        "mytool analytics off",
        "export SEND_ANONYMOUS_USAGE_INFO=false",
    ):
        assert said in text
    assert "key-of-mytool" not in text
    assert text.endswith("\n")
    assert max(map(len, text.splitlines())) <= 100


def test_without_commands_the_notice_names_the_file() -> None:
    text = disclosure.notice(parse(), parse().sinks, commands=None, where="/home/ada/.config/mytool/analytics/choice")
    assert "echo off > /home/ada/.config/mytool/analytics/choice" in text
    assert "preview" not in text


def test_a_command_to_copy_is_never_broken() -> None:
    where = f"/home/{'ada/' * 60}choice"
    assert f"echo off > {where} " in disclosure.notice(parse(), parse().sinks, commands=None, where=where)


def test_without_a_recipient_the_notice_says_so() -> None:
    without = re.sub(r"\[\[sinks]].*?\n\[events", "[events", MANIFEST, flags=re.DOTALL)
    assert "nowhere yet" in disclosure.notice(parse(without), (), commands="x", where="y")


def test_the_page_names_every_event_property_and_variable_and_what_each_may_be() -> None:
    declared = parse()
    page = disclosure.page(declared)
    for name, item in declared.events.items():
        if not item.properties:
            continue
        assert f"### `{name}`" in page
        assert item.why in page
        for key, kind in item.properties.items():
            line = next(line for line in page.splitlines() if line.startswith(f"| `{key}`"))
            assert kind.allowed().split("<")[0].split("|")[0] in line
    for said in ("SEND_ANONYMOUS_USAGE_INFO=false", "DO_NOT_TRACK=1", "MYTOOL_NO_ANALYTICS=1", "CLI_ANALYTICS_DEBUG=1"):
        assert said in page
    for said in ("Example Foundation", "privacy@example.org", "collect.example.org", "90 days", "2028-11-21"):
        assert said in page
    assert "key-of-mytool" not in page


def test_the_page_names_everything_that_comes_with_an_event() -> None:
    page = disclosure.page(parse())
    named = {key.strip("`") for keys, _ in disclosure.CONTEXT for key in keys.split(", ")}
    assert set(event.context("mytool", "1", {}, session_id=1767323045)) - {"ip", "library"} <= named
    assert "0.0.0.0" in page, "instead of an address"


def test_a_cell_of_the_page_is_one_cell() -> None:
    page = disclosure.page(parse(MANIFEST.replace('"csv"', '"a|b<c>"')))
    row = next(line for line in page.splitlines() if "| `format`" in line)
    assert "a\\|b&lt;c&gt;" in row
    assert len(re.findall(r"(?<!\\)\|", row)) == 3


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[policy]", '[policy]\ndefault = "off"', "until you say yes"),
        ("[policy]", "[policy]", "Nothing is recorded in continuous integration"),
        ("[policy]", "[policy]", "The first run on a terminal shows a notice and records nothing"),
    ],
)
def test_the_page_says_when(old: str, new: str, said: str) -> None:
    assert said in disclosure.page(parse(MANIFEST.replace(old, new)))
