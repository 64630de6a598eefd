"""Each of the 34 ways in which others have failed has tests that would have caught it here, or says what is missing."""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).parent
PROBLEMS: list[dict[str, Any]] = tomllib.loads((HERE / "field.toml").read_text(encoding="utf-8"))["problem"]


@functools.cache
def functions(path: str) -> frozenset[str]:
    """The tests in a file, as it is written."""
    tree = ast.parse((HERE / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def test_all_of_them_are_there_in_order(record_property: Callable[[str, object], None]) -> None:
    assert [problem["number"] for problem in PROBLEMS] == list(range(1, 35))
    assert len({problem["title"] for problem in PROBLEMS}) == 34
    named = {test for problem in PROBLEMS for test in problem.get("tests", ())}
    without = [str(problem["number"]) for problem in PROBLEMS if "tests" not in problem]
    in_part = [str(problem["number"]) for problem in PROBLEMS if "not_built" in problem and "tests" in problem]
    figure = f"34 problems of the field, {len(named)} tests; not built: {', '.join(without)}"
    record_property("figure", f"{figure}; in part: {', '.join(in_part)}")


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: str(problem["number"]))
def test_each_has_tests_or_says_what_is_not_built(problem: dict[str, Any]) -> None:
    assert problem.keys() <= {"number", "title", "tests", "not_built"}
    tests = problem.get("tests", [])
    assert tests or problem["not_built"]
    assert len(tests) == len(set(tests))
    assert len(problem.get("not_built", "a reason that can be read")) > 20
    missing = [test for test in tests if test.partition("::")[2] not in functions(test.partition("::")[0])]
    assert missing == []
    assert all(test.partition("::")[2].startswith("test_") for test in tests)
