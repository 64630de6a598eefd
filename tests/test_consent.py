"""May we record? Each rule, their order, and that any off beats every on."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli_analytics import consent, storage
from cli_analytics.consent import Facts, Stamp
from cli_analytics.manifest import Policy
from cli_analytics.storage import StorageError

ORDER = [
    *("machine", "environment", "flag", "host", "choice", "end date", "ci", "development", "storage", "opt-in"),
    "notice",
]
TODAY = date.today()
DEFAULT = Policy()


def facts(
    home: Path, *, policy: consent.Policy = DEFAULT, environ: dict[str, str] | None = None, **settings: Any
) -> Facts:
    """Of an informed user in `home`; the test run itself is no reason to say no."""
    known = {"HOME": str(home), "XDG_CONFIG_DIRS": str(home / "site"), **(environ or {})}
    where = storage.locate("mytool", known)
    return Facts(known, where, policy, **{"informed": True, "record_in_tests": True, **settings})


def write(path: str, content: str) -> None:
    storage.replace(path, content.encode())


def says(given: Facts) -> tuple[bool, str]:
    decision = consent.decide(given)
    return decision.allowed, decision.source


def test_who_was_told_and_said_nothing_is_recorded(tmp_path: Path) -> None:
    decision = consent.decide(facts(tmp_path))
    assert (decision.allowed, decision.source) == (True, "default")
    assert decision.reason


def test_the_sources_are_asked_in_order(tmp_path: Path) -> None:
    assert [source for source, _ in consent.RULES] == ORDER


def all_off() -> list[tuple[str, Callable[[Facts], None]]]:
    """For each source, in order, what takes its reason away."""
    return [
        ("machine", lambda given: storage.remove(given.storage.machine_choices[0])),
        ("environment", lambda given: set_environ(given, "DO_NOT_TRACK", "")),
        ("flag", lambda given: setattr(given, "flag_off", False)),
        ("host", lambda given: setattr(given, "host_setting", None)),
        ("choice", lambda given: storage.remove(given.storage.choice)),
        ("end date", lambda given: setattr(given, "policy", given.policy._replace(ends=""))),
        ("ci", lambda given: set_environ(given, "CI", "")),
        ("development", lambda given: setattr(given, "record_in_tests", True)),
        ("opt-in", lambda given: setattr(given, "policy", Policy())),
        ("notice", lambda given: setattr(given, "informed", True)),
    ]


def set_environ(given: Facts, name: str, value: str) -> None:
    given.environ = {**given.environ, name: value}


def test_the_first_source_that_says_no_is_named_and_the_next_takes_its_place(tmp_path: Path) -> None:
    given = facts(
        tmp_path,
        policy=Policy(default="off", ends="2020-01-01"),
        environ={"DO_NOT_TRACK": "1", "CI": "1"},
        informed=False,
        record_in_tests=False,
        flag_off=True,
        host_setting=False,
    )
    write(given.storage.machine_choices[0], "off\n")
    write(given.storage.choice, "off\n")
    for source, take_away in all_off():
        assert says(given) == (False, source)
        take_away(given)
    assert says(given) == (True, "default")


SWITCHES: dict[str, Callable[[Facts], object]] = {
    "machine": lambda given: write(given.storage.machine_choices[0], "off\n"),
    "machine, all tools": lambda given: write(given.storage.machine_choices[1], "off\n"),
    "DO_NOT_TRACK": lambda given: set_environ(given, "DO_NOT_TRACK", "1"),
    "SEND": lambda given: set_environ(given, "SEND_ANONYMOUS_USAGE_INFO", "no"),
    "the host's variable": lambda given: set_environ(given, "MYTOOL_OFF", "1"),
    "flag": lambda given: setattr(given, "flag_off", True),
    "host": lambda given: setattr(given, "host_setting", False),
    "choice": lambda given: write(given.storage.choice, "off 2026-01-02\n"),
    "choice, all tools": lambda given: write(given.storage.user_choice, "off\n"),
    "ci": lambda given: set_environ(given, "GITLAB_CI", "true"),
    "a test run": lambda given: setattr(given, "record_in_tests", False),
}


@settings(deadline=None, max_examples=80)
@given(off=st.sets(st.sampled_from(sorted(SWITCHES))), yes=st.booleans(), chosen=st.booleans(), host=st.booleans())
def test_any_off_beats_every_on(
    tmp_path_factory: pytest.TempPathFactory, off: set[str], yes: bool, chosen: bool, host: bool
) -> None:
    given = facts(tmp_path_factory.mktemp("home"), policy=Policy(opt_out_env=("MYTOOL_OFF",)))
    if yes:
        set_environ(given, "SEND_ANONYMOUS_USAGE_INFO", "true")
    if chosen:
        for path in (given.storage.choice, given.storage.user_choice, *given.storage.machine_choices):
            write(path, "on\n")
    given.host_setting = True if host else None
    for name in off:
        SWITCHES[name](given)
    assert consent.decide(given).allowed is (not off)


@pytest.mark.parametrize(
    ("content", "choice"),
    [("on\n", "on"), ("off\n", "off"), ("on 2026-01-02\n", "on"), ("off 2026-01-02\n", "off"), ("off", "off")],
)
def test_a_choice_is_on_or_off_and_then_a_date(tmp_path: Path, content: str, choice: str) -> None:
    (tmp_path / "choice").write_text(content, encoding="ascii")
    assert consent.read_choice(str(tmp_path / "choice")) == choice


@pytest.mark.parametrize("content", ["", " ", "\n", "yes", "ON", "offf", "onn", "o", "no\non", "0", "\0", "off,"])
def test_a_choice_that_is_neither_is_an_error_and_so_an_off(tmp_path: Path, content: str) -> None:
    given = facts(tmp_path)
    write(given.storage.choice, content)
    with pytest.raises(StorageError, match="choice"):
        consent.read_choice(given.storage.choice)
    assert says(given) == (False, "choice")


def test_a_choice_that_is_not_there_is_no_choice(tmp_path: Path) -> None:
    assert consent.read_choice(str(tmp_path / "choice")) == ""


@pytest.mark.parametrize(("days", "allowed"), [(-2, False), (2, True)])
def test_after_the_end_date_nothing_is_recorded(tmp_path: Path, days: int, allowed: bool) -> None:
    ends = (TODAY + timedelta(days=days)).isoformat()
    assert consent.decide(facts(tmp_path, policy=Policy(ends=ends))).allowed is allowed


def test_ci_may_be_allowed_by_the_manifest(tmp_path: Path) -> None:
    assert says(facts(tmp_path, environ={"CI": "true"})) == (False, "ci")
    assert consent.decide(facts(tmp_path, policy=Policy(ci="on"), environ={"CI": "true"})).allowed


@pytest.mark.parametrize(
    "version", ["", "dev", "1.0.dev1", "0+unknown", "1.0+g12ab.dirty", "1.0-SNAPSHOT", "0.0.0+editable"]
)
def test_a_development_version_records_nothing(tmp_path: Path, version: str) -> None:
    assert says(facts(tmp_path, version=version, record_in_tests=False)) == (False, "development")
    assert consent.decide(facts(tmp_path, version=version)).allowed


@pytest.mark.parametrize("name", ["PYTEST_CURRENT_TEST", "TOX_ENV_NAME", "NOX_CURRENT_SESSION"])
def test_a_test_run_records_nothing(tmp_path: Path, name: str) -> None:
    decision = consent.decide(facts(tmp_path, environ={name: "x"}, record_in_tests=False))
    assert (decision.allowed, decision.source) == (False, "development")
    assert name in decision.reason


def test_a_process_with_pytest_in_it_is_a_test_run_even_without_a_variable(tmp_path: Path) -> None:
    assert says(facts(tmp_path, record_in_tests=False)) == (False, "development")


def test_opt_in_needs_a_yes(tmp_path: Path) -> None:
    policy = Policy(default="off")
    assert says(facts(tmp_path, policy=policy)) == (False, "opt-in")
    assert consent.decide(facts(tmp_path, policy=policy, environ={"SEND_ANONYMOUS_USAGE_INFO": "1"})).allowed
    chosen = facts(tmp_path, policy=policy)
    write(chosen.storage.choice, "on\n")
    assert consent.decide(chosen).allowed


def test_a_yes_of_the_machine_is_nobodys_yes(tmp_path: Path) -> None:
    given = facts(tmp_path, policy=Policy(default="off"))
    write(given.storage.machine_choices[0], "on\n")
    assert says(given) == (False, "opt-in")


def test_who_was_not_told_is_not_recorded_unless_they_said_yes_themselves(tmp_path: Path) -> None:
    assert says(facts(tmp_path, informed=False)) == (False, "notice")
    assert consent.decide(facts(tmp_path, informed=False, environ={"SEND_ANONYMOUS_USAGE_INFO": "yes"})).allowed


def test_a_decision_touches_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    consent.decide(facts(home))
    assert os.listdir(home) == []


ID = "0b7e2f9a-1c3d-4e5f-8a9b-0c1d2e3f4a5b"


def handed(text: str) -> dict[str, str]:
    return {"CLI_ANALYTICS_HANDOVER": text}


@pytest.mark.parametrize(
    "text",
    [
        "off",
        f"1:{ID}:digest:off",
        f"2:{ID}:digest:on",
        f"1:{ID}:digest",
        f"1:{ID}:digest:on:x",
        "1:me:digest:on",
        ":::",
    ],
)
def test_a_hand_over_that_says_off_or_cannot_be_read_is_off(tmp_path: Path, text: str) -> None:
    assert says(facts(tmp_path, environ=handed(text))) == (False, "environment")


def test_an_empty_hand_over_is_no_opinion(tmp_path: Path) -> None:
    assert consent.decide(facts(tmp_path, environ=handed(" "))).allowed
    assert says(facts(tmp_path, environ=handed(""), informed=False)) == (False, "notice")


def test_a_hand_over_informs_about_the_manifest_it_names_and_no_other(tmp_path: Path) -> None:
    told = Stamp(disclosure="digest", ci="off")
    assert consent.decide(facts(tmp_path, policy=told, informed=False, environ=handed(f"1:{ID}:digest:on"))).allowed
    other = facts(tmp_path, policy=told, informed=False, environ=handed(f"1:{ID}:another:on"))
    assert says(other) == (False, "notice")
    nothing = facts(tmp_path, policy=Stamp(), informed=False, environ=handed(f"1:{ID}::on"))
    assert says(nothing) == (False, "environment")


def test_a_hand_over_carries_the_yes_of_an_opt_in(tmp_path: Path) -> None:
    opt_in = Stamp(disclosure="digest", default="off")
    assert consent.decide(facts(tmp_path, policy=opt_in, informed=False, environ=handed(f"1:{ID}:digest:on"))).allowed


def test_any_other_off_beats_a_hand_over(tmp_path: Path) -> None:
    given = facts(tmp_path, environ={**handed(f"1:{ID}:digest:on"), "DO_NOT_TRACK": "1"})
    assert says(given) == (False, "environment")
    assert says(facts(tmp_path, environ=handed(f"1:{ID}:digest:on"), flag_off=True)) == (False, "flag")


def test_a_yes_to_another_manifest_is_no_yes_to_this_one(tmp_path: Path) -> None:
    """Even if the user has been told of this one since."""
    opt_in = Stamp(disclosure="digest", default="off")
    assert says(facts(tmp_path, policy=opt_in, environ=handed(f"1:{ID}:another:on"))) == (False, "opt-in")
