"""The closed sets that a declared value comes from."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli_analytics import properties
from cli_analytics.errors import UndeclaredError
from cli_analytics.event import OTHER
from cli_analytics.properties import (
    Boolean,
    Bucket,
    CommandPath,
    ExceptionName,
    Integer,
    Kind,
    OneOf,
    OptionNames,
    Version,
)

KINDS: list[Kind] = [
    OneOf(("csv", "json")),
    OneOf(()),
    Boolean(),
    Integer(-3, 500),
    Bucket((10, 100, 1000)),
    Bucket((-5, 0)),
    Bucket((7,)),
    Version(),
    CommandPath(),
    OptionNames(),
    ExceptionName(("ConfigError",)),
]
lucky = st.sampled_from(
    [
        "csv",
        "1.2.3",
        "2.0rc1",
        "db migrate",
        "<unknown>",
        "--format",
        "-v",
        "ValueError",
        "Abort",
        "<10",
        ">=1000",
        "0-6",
    ]
)
texts = lucky | st.text(max_size=120) | st.from_regex(r"[-+/.\w ]{1,20}", fullmatch=True)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.binary(max_size=5) | st.complex_numbers(),
    lambda inner: st.lists(inner, max_size=40) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=40,
)


def is_in_the_set(kind: Kind, value: Any) -> object:
    """Whether what leaves is what the kind promises, said independently of how it cleans."""
    if isinstance(kind, OneOf):
        return value in kind.values
    if isinstance(kind, Boolean):
        return value is True or value is False
    if isinstance(kind, Integer):
        return type(value) is int and kind.minimum <= value <= kind.maximum
    if isinstance(kind, Bucket):
        return value in kind.labels()
    if isinstance(kind, OptionNames):
        return len(value) <= 30 and all(name[0] in "-+/" and 1 < len(name) <= 42 and " " not in name for name in value)
    if isinstance(kind, ExceptionName):
        return value.isidentifier() or value == OTHER
    return 0 < len(value) <= 100 and not set(value) & set("/\\@\n\t,;'\"=$")


@pytest.mark.slow
@settings(deadline=None, max_examples=300)
@given(st.sampled_from(KINDS), values)
def test_what_leaves_is_in_the_set_and_stays_as_it_is(kind: Kind, value: object) -> None:
    try:
        cleaned = kind.clean(value)
    except UndeclaredError:
        return
    assert is_in_the_set(kind, cleaned)
    assert kind.clean(cleaned) == cleaned
    assert type(kind.clean(cleaned)) is type(cleaned)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_says_in_words_what_it_allows(kind: Kind) -> None:
    assert len(kind.allowed()) > 5


@pytest.mark.parametrize(
    ("value", "label"),
    [(-1, "<10"), (9, "<10"), (10, "10-99"), (99, "10-99"), (99.9, "10-99"), (100, "100-999"), (1000, ">=1000")]
    + [(math.inf, ">=1000"), (-math.inf, "<10"), (10**40, ">=1000"), ("10-99", "10-99")],
)
def test_a_number_leaves_as_the_range_it_lies_in(value: object, label: str) -> None:
    assert Bucket((10, 100, 1000)).clean(value) == label


@pytest.mark.parametrize("value", [True, math.nan, "11", "10-98", None, [10]])
def test_what_is_no_number_has_no_range(value: object) -> None:
    with pytest.raises(UndeclaredError):
        Bucket((10, 100)).clean(value)


@pytest.mark.parametrize(("value", "cut"), [(-9, 0), (0, 0), (7, 7), (500, 500), (501, 500), (10**30, 500)])
def test_a_whole_number_is_cut_to_its_bounds(value: int, cut: int) -> None:
    assert Integer(0, 500).clean(value) == cut


@pytest.mark.parametrize("value", ["7", 7.0, True, None])
def test_a_whole_number_is_nothing_else(value: object) -> None:
    with pytest.raises(UndeclaredError):
        Integer(0, 500).clean(value)


@pytest.mark.parametrize(
    "value", ["1", "1.2.3", "2.0rc1", "1.0-beta.2", "2026.1.0", "1.2.3.post1", "1.0.dev3", "0.1a2"]
)
def test_versions(value: str) -> None:
    assert Version().clean(value) == value


@pytest.mark.parametrize(
    "value",
    ["", "v1", "1.2.3 ", "1.2.3\n", "/etc", "1.2.3+ada.laptop", "1." * 30, "latest", "10.0.0.1.example.org", "١.٢"],
)
def test_what_is_no_version(value: str) -> None:
    with pytest.raises(UndeclaredError):
        Version().clean(value)


@pytest.mark.parametrize("value", ["build", "db migrate", "a:b", "x.y-z_1", "<unknown>", "db <unknown>"])
def test_command_paths(value: str) -> None:
    assert CommandPath().clean(value) == value


@pytest.mark.parametrize(
    "value", ["", "/bin/ls", "-x", "a  b", "a/b", "x" * 41, " ".join(["command"] * 20), 7, "a\n", "a=b"]
)
def test_what_is_no_command_path_leaves_as_other(value: object) -> None:
    assert CommandPath().clean(value) == OTHER


def test_options_leave_as_sorted_names_without_values() -> None:
    given_ = ["--verbose", "-v", "--file=/home/ada/x", "ada", "--file", "/f", "+x", "--file", 7, "--pass word", "-"]
    assert OptionNames().clean(given_) == ["+x", "--file", "--verbose", "-v", "/f"]
    assert len(OptionNames().clean([f"--option-{number}" for number in range(99)])) == properties.MAX_OPTIONS  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["--verbose", None, {"--a": 1}, 7])
def test_options_are_a_list(value: object) -> None:
    with pytest.raises(UndeclaredError):
        OptionNames().clean(value)


@pytest.mark.parametrize("value", ["ValueError", "KeyboardInterrupt", "UsageError", "NoSuchOption", "ConfigError"])
def test_exceptions_that_are_known_leave_by_name(value: str) -> None:
    assert ExceptionName(("ConfigError",)).clean(value) == value


@pytest.mark.parametrize("value", ["AdasSecretError", "print", "int", "__name__", "", None, "ValueError: /home/ada"])
def test_any_other_exception_leaves_as_other(value: object) -> None:
    assert ExceptionName(("ConfigError",)).clean(value) == OTHER


def test_features_leave_only_where_the_manifest_lists_them() -> None:
    with pytest.raises(UndeclaredError):
        properties.BUILT_IN["feature_used"].properties["feature"].clean("dark_mode")
