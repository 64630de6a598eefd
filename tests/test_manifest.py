"""What may be collected: what a manifest may say, and how a maintainer is told what it may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli_analytics import manifest, properties
from cli_analytics.errors import ManifestError

GOOD = """\
schema = 1

[tool]
name = "mytool"
controller = "Example Foundation"
contact = "privacy@example.org"
page = "https://example.org/analytics"
source = "https://example.org/src"

[policy]
default = "off"
ci = "on"
opt_out_env = ["MYTOOL_NO_ANALYTICS", "SQA_OPT_OUT"]
retention_days = 30
ends = 2028-11-21

[[sinks]]
type = "segment"
endpoint = "https://collect.example.org/"
write_key = "key"

[[sinks]]
type = "segment"
write_key = "other"

[events.report_exported]
why = "Which formats deserve work"
[events.report_exported.properties]
format = { one_of = ["csv", "json", "html"] }
rows = { bucket = [10, 100, 1000] }
cached = { type = "boolean" }
pages = { type = "integer", min = 0, max = 500 }
engine = { type = "version" }

[events.command_run]
exceptions = ["ConfigError"]
omit = ["options"]
[events.command_run.properties]
command = { one_of = ["build", "deploy"] }

[events.feature_used.properties]
feature = { one_of = ["dark_mode"] }
"""
SMALLEST = 'schema = 1\n[tool]\nname = "mytool"\ncontroller = "E"\ncontact = "c"\n'


def test_a_good_manifest_says_all_there_is_to_say() -> None:
    good = manifest.parse(GOOD.encode())
    assert good.tool == manifest.Tool(
        "mytool",
        "Example Foundation",
        "privacy@example.org",
        "https://example.org/analytics",
        "https://example.org/src",
    )
    assert good.policy == manifest.Policy("off", "on", ("MYTOOL_NO_ANALYTICS", "SQA_OPT_OUT"), 30, "2028-11-21")
    assert [(sink.type, sink.endpoint, sink.settings) for sink in good.sinks] == [
        ("segment", "https://collect.example.org", {"write_key": "key"}),
        ("segment", "https://api.segment.io", {"write_key": "other"}),
    ]
    assert good.events["report_exported"] == properties.Declaration(
        "Which formats deserve work",
        {
            "format": properties.OneOf(("csv", "json", "html")),
            "rows": properties.Bucket((10, 100, 1000)),
            "cached": properties.Boolean(),
            "pages": properties.Integer(0, 500),
            "engine": properties.Version(),
        },
    )


def test_the_built_in_events_are_narrowed() -> None:
    narrowed = manifest.parse(GOOD.encode()).events["command_run"]
    assert "options" not in narrowed.properties
    assert narrowed.properties["command"] == properties.OneOf(("build", "deploy"))
    assert narrowed.properties["exception"].clean("ConfigError") == "ConfigError"
    assert narrowed.properties["exit_code"] == properties.Integer(0, 255)
    assert narrowed.why


def test_the_smallest_manifest_has_the_built_in_event_and_the_careful_defaults() -> None:
    smallest = manifest.parse(SMALLEST.encode())
    assert set(smallest.events) == {"command_run"}, "a list of features that is empty declares none"
    assert smallest.policy == manifest.Policy("on", "off", (), 365, "")
    assert smallest.sinks == ()


# What is added to or replaced in the good manifest → the key, the problem and what is allowed, as a person reads them.
MISTAKES = [
    ("schema = 1", "schema = 2", "schema", "is 2", "schema = 1"),
    ("schema = 1", "", "schema", "'missing'", "schema = 1"),
    ('name = "mytool"', 'name = "My Tool"', "tool.name", "'My Tool' is no tool name", "a-z"),
    ('name = "mytool"', 'name = "-tool"', "tool.name", "'-tool' is no tool name", "no - first"),
    ('name = "mytool"', 'name = "../etc"', "tool.name", "'../etc' is no tool name", "a-z"),
    ('name = "mytool"', f'name = "{"x" * 41}"', "tool.name", "is no tool name", "at most 40"),
    ('name = "mytool"\n', "", "tool.name", "is missing", "not empty"),
    ('name = "mytool"', "name = 7", "tool.name", "is 7", "a text"),
    ('controller = "Example Foundation"', 'controller = " "', "tool.controller", "is ' '", "not empty"),
    ('contact = "privacy@example.org"\n', "", "tool.contact", "is missing", "a text"),
    ("[policy]", 'phone = "1"\n[policy]', "tool.phone", "is no key here", "contact"),
    ("[policy]", "[policy]\nopt_out = true", "policy.opt_out", "is no key here", "opt_out_env"),
    ('default = "off"', 'default = "of"', "policy.default", "is 'of'", '"on" or "off"'),
    ('default = "off"', "default = false", "policy.default", "is False", '"on" or "off"'),
    ('ci = "on"', 'ci = ["on"]', "policy.ci", "is ['on']", '"on" or "off"'),
    ('"SQA_OPT_OUT"]', '"SQA OPT"]', "policy.opt_out_env", "is not a list of variable names", "MYTOOL_NO_ANALYTICS"),
    ("retention_days = 30", "retention_days = 0", "policy.retention_days", "is 0", "from 1 to 3650"),
    ("retention_days = 30", "retention_days = true", "policy.retention_days", "is True", "from 1 to 3650"),
    ("ends = 2028-11-21", 'ends = "2028-11-21"', "policy.ends", "is '2028-11-21'", "a date without quotes"),
    ("ends = 2028-11-21", "ends = 2028-11-21T00:00:00Z", "policy.ends", "is datetime", "a date without quotes"),
    (
        "[events.report_exported]\nwhy",
        "[events.ReportExported]\nwhy",
        "events.ReportExported",
        "no event",
        "snake_case",
    ),
    ('why = "Which formats deserve work"\n', "", "events.report_exported.why", "is missing", "a text"),
    ("format = {", "Format = {", "events.report_exported.properties.Format", "no property name", "snake_case"),
    (
        '["csv", "json", "html"]',
        "[]",
        "events.report_exported.properties.format.one_of",
        "not a list of strings",
        "csv",
    ),
    ('["csv", "json", "html"]', "[1]", "events.report_exported.properties.format.one_of", "not a list of strings", ""),
    ("[10, 100, 1000]", "[100, 10]", "events.report_exported.properties.rows.bucket", "not a rising list", "[10,"),
    ("[10, 100, 1000]", "[1.5]", "events.report_exported.properties.rows.bucket", "not a rising list", "whole"),
    ("[10, 100, 1000]", "[]", "events.report_exported.properties.rows.bucket", "not a rising list", "[10,"),
    ('"boolean"', '"text"', "events.report_exported.properties.cached.type", "'text' is no kind", "one_of, bucket"),
    ('type = "boolean"', "", "events.report_exported.properties.cached.type", "None is no kind", "boolean"),
    ('"boolean"', '"boolean", min = 1', "events.report_exported.properties.cached.min", "no key here", "type"),
    (", max = 500", "", "events.report_exported.properties.pages.max", "is None", "both bounds"),
    ("min = 0", "min = 501", "events.report_exported.properties.pages.min", "501 is above max, 500", "min ≤ max"),
    ('omit = ["options"]', 'omit = ["option"]', "events.command_run.option", "is no property of this event", "options"),
    ('["ConfigError"]', '["Config Error"]', "events.command_run.exceptions", "is not a list of names", "ConfigError"),
    ("command = {", "colour = {", "events.command_run.colour", "is no property of this event", "command"),
    ("[events.command_run]", '[events.command_run]\nname = "x"', "events.command_run.name", "is no key here", "omit"),
    ('why = "Which', 'name = "x"\nwhy = "Which', "events.report_exported.name", "is no key here", "why"),
    ('"Which formats', '"Which\\nformats', "events.report_exported.why", "is 'Which\\nformats", "on one line"),
    ('"html"', '"ht\\tml"', "events.report_exported.properties.format.one_of", "not a list of strings", "on one line"),
    ("max = 500", f"max = {2**53 + 1}", "events.report_exported.properties.pages.max", "is 9007", "a whole number"),
    ("1000]", f"0x{'f' * 5000}]", "events.report_exported.properties.rows.bucket", "not a rising list", "whole"),
    ('"boolean"', '["boolean"]', "events.report_exported.properties.cached.type", "is no kind", "boolean"),
]


@pytest.mark.parametrize(("old", "new", "key", "problem", "allowed"), MISTAKES)
def test_a_mistake_is_told_with_file_key_problem_and_what_is_allowed(
    old: str, new: str, key: str, problem: str, allowed: str
) -> None:
    assert old in GOOD
    with pytest.raises(ManifestError) as caught:
        manifest.parse(GOOD.replace(old, new, 1).encode(), file="src/analytics.toml")
    said = str(caught.value)
    assert said.startswith(f"src/analytics.toml: {key}")
    assert problem in said
    assert allowed in said


def test_too_many_properties_are_told() -> None:
    many = "".join(f'p{number} = {{ type = "boolean" }}\n' for number in range(21))
    with pytest.raises(ManifestError, match=r"events\.e\.properties: there are 21\. Allowed: at most 20"):
        manifest.parse(f'{SMALLEST}[events.e]\nwhy = "W"\n[events.e.properties]\n{many}'.encode())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"schema = = 1", "is not TOML: .*line 1"),
        (b'schema = 1\nname = "\xff"', "is not UTF-8 text at byte 19"),
        (b"", "schema: is 'missing'"),
        (b"schema = " + b"1" * 5000, ""),
        (b"schema = " + b"[" * 5000, ""),
        (b"tool = 1\nschema = 1", "tool: is not a table"),
        (b"schema = 1\nsinks = [1]", "sinks: is not a list of tables"),
        (SMALLEST.encode() + b"[events]\nx = 1", r"events\.x: is not a table"),
        (
            SMALLEST.encode() + b"[events.e]\nwhy = 'W'\n[events.e.properties]\nx = 1",
            r"events\.e\.properties\.x: is not a table",
        ),
    ],
    ids=lambda value: repr(value[:30]),
)
def test_what_is_no_manifest_at_all_is_told(content: bytes, said: str) -> None:
    with pytest.raises(ManifestError, match=f"^analytics.toml: {said}"):
        manifest.parse(content)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.toml"):
        with pytest.raises(ManifestError, match="can't be read"):
            manifest.load(str(path))


def test_a_manifest_is_loaded_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "analytics.toml").write_text(GOOD, encoding="utf-8")
    assert manifest.load(str(tmp_path / "analytics.toml")) == manifest.parse(GOOD.encode())
