"""The gate of the shell's sender: expressions that let pass what may leave as it is, and nothing else."""

from __future__ import annotations

import re
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_json import DECLARED, NASTY

from cli_analytics import event, forms, gate

pytestmark = pytest.mark.slow  # it depends little on the Python it runs on


def lets_pass(expressions: str, line: str) -> bool:
    done = subprocess.run(["grep", "-Eqx", "-e", expressions], input=f"{line}\n", text=True, env={"LC_ALL": "C"})
    return done.returncode == 0


def all_forms() -> str:
    return "\n".join(start + forms.middle() + end for start, end in forms.of_events(DECLARED))


CONTEXT = {"ip": "0.0.0.0", "app": {"name": "mytool", "version": "1.2.3"}, "os": {"name": "Linux"}, "python": "3.11"}
GOOD = [
    ("thing_done", {}),
    ("bare_fact", {}),
    *(("thing_done", {"nasty": value}) for value in NASTY),
    ("thing_done", {"sure": True, "count": -5, "deep": -4611686018, "size": "<-10", "release": "1.2"}),
    (
        "command_run",
        {"command": "db migrate", "options": ["--format", "-v"], "exception": "ValueError", "exit_code": 255},
    ),
    ("command_run", {"command": "<unknown>", "options": [], "outcome": "ok", "duration_ms": 604_800_000}),
]
BAD = [
    ("other", {}),
    ("bare_fact", {"x": 1}),
    ("thing_done", {"nasty": "other"}),
    ("thing_done", {"count": 9007199254740993}),
    ("thing_done", {"count": -6}),
    ("thing_done", {"deep": -9}),
    ("thing_done", {"size": 7}),
    ("thing_done", {"sure": "true"}),
    ("thing_done", {"release": "x"}),
    ("command_run", {"exit_code": 256}),
    ("command_run", {"duration_ms": 604_800_001}),
    ("command_run", {"command": "/home/ada"}),
    ("command_run", {"options": ["--format=csv"]}),
    ("command_run", {"exception": "AdasError"}),
]


@pytest.mark.parametrize(("name", "properties"), GOOD)
def test_the_shells_gate_lets_pass_what_may_leave_as_it_is(name: str, properties: dict[str, object]) -> None:
    built = event.build(name, properties, client_id=event.uuid4(), context=CONTEXT, now=1767323045.678)
    assert gate.check(built, DECLARED).event == built
    assert lets_pass(all_forms(), event.encode(built))


@pytest.mark.parametrize(("name", "properties"), BAD)
def test_the_shells_gate_lets_pass_nothing_else(name: str, properties: dict[str, object]) -> None:
    built = event.build(name, properties, client_id=event.uuid4(), context=CONTEXT, now=1767323045.678)
    assert gate.check(built, DECLARED).event != built
    assert not lets_pass(all_forms(), event.encode(built))


@pytest.mark.parametrize(
    "context", [{**CONTEXT, "hostname": "ada"}, {**CONTEXT, "ip": "10.0.0.1"}, {"app": {"name": "a b"}}, {"ci": "mine"}]
)
def test_the_shells_gate_knows_the_context_too(context: dict[str, object]) -> None:
    built = event.build("bare_fact", {}, client_id=event.uuid4(), context=context, now=1767323045.678)
    assert not lets_pass(all_forms(), event.encode(built))


@given(st.integers(-(10**9), 10**9), st.integers(0, 10**9), st.integers(-2 * 10**9, 2 * 10**9))
def test_the_form_of_a_number_is_the_range_itself(low: int, span: int, number: int) -> None:
    form = forms._numbers(low, low + span)
    for each in (number, low, low + span, low - 1, low + span + 1, low + span // 2):
        assert bool(re.fullmatch(form, str(each))) is (low <= each <= low + span)
    assert not re.fullmatch(form, "-0")
    assert not re.fullmatch(form, "00")
