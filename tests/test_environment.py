"""Which variables are read, and what counts as yes, no and no opinion."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli_analytics import environment

TABLE = Path(__file__).with_name("data") / "optout.tsv"
SIGNS = {"(empty)": "", "(sp)": " "}


def rows() -> list[tuple[str, dict[str, str], str]]:
    """Variable, environment and opinion of each row of the table."""
    found = []
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, value, opinion = line.split("\t")
            environ = {} if value == "(unset)" else {name: value}
            for sign, meaning in SIGNS.items():
                environ = {key: text.replace(sign, meaning) for key, text in environ.items()}
            found.append((name, environ, opinion))
    return found


def opinion_of(name: str, environ: dict[str, str]) -> str:
    if name == environment.SEND:
        assert not (environment.says_off(environ) and environment.says_yes(environ))
        return "off" if environment.says_off(environ) else "yes" if environment.says_yes(environ) else "none"
    return "off" if environment.opts_out(environ, name) else "none"


@pytest.mark.parametrize(("name", "environ", "opinion"), rows())
def test_each_row_of_the_table(name: str, environ: dict[str, str], opinion: str) -> None:
    assert opinion_of(name, environ) == opinion


def test_the_table_has_both_variables_and_all_opinions() -> None:
    assert {name for name, _, _ in rows()} == {"SEND_ANONYMOUS_USAGE_INFO", "DO_NOT_TRACK"}
    assert {opinion for _, _, opinion in rows()} == {"off", "yes", "none"}
    assert len(rows()) > 30


@pytest.mark.parametrize(("name", "environ", "opinion"), [row for row in rows() if row[0] == "DO_NOT_TRACK"])
def test_a_hosts_own_variable_is_read_like_do_not_track(name: str, environ: dict[str, str], opinion: str) -> None:
    renamed = dict.fromkeys(["SQA_OPT_OUT"], environ[name]) if environ else {}
    assert environment.opts_out(renamed, "SQA_OPT_OUT") is (opinion == "off")


@pytest.mark.parametrize(
    ("environ", "vendor"),
    [
        ({}, "none"),
        ({"CI": ""}, "none"),
        ({"CI": "true"}, "other"),
        ({"CI": "1"}, "other"),
        ({"CI": "false"}, "none"),
        ({"CI": " False ", "GITHUB_ACTIONS": "true"}, "none"),
        ({"GITHUB_ACTIONS": "true", "CI": "true"}, "github"),
        ({"GITLAB_CI": "true"}, "gitlab"),
        ({"JENKINS_URL": "https://ci.example.org", "BUILD_ID": "7"}, "jenkins"),
        ({"BUILD_NUMBER": "7"}, "other"),
        ({"CONTINUOUS_INTEGRATION": "true"}, "other"),
        ({"TF_BUILD": "True"}, "azure-pipelines"),
        ({"TEAMCITY_VERSION": "2026.1"}, "teamcity"),
        ({"bamboo_planKey": "X"}, "bamboo"),
        ({"TRAVIS": ""}, "none"),
    ],
)
def test_ci_is_known_by_what_it_sets(environ: dict[str, str], vendor: str) -> None:
    assert environment.ci_vendor(environ) == vendor


@pytest.mark.parametrize("name", environment.CI_VENDORS)
def test_each_vendor_is_known_by_its_variable_alone(name: str) -> None:
    assert environment.ci_vendor({name: "x"}) == environment.CI_VENDORS[name]


@pytest.mark.parametrize("name", environment.TEST_RUNNERS)
def test_a_test_runner_is_known_by_what_it_sets(name: str) -> None:
    assert environment.test_runner({name: "x"}) == name
    assert environment.test_runner({name: ""}) == ""


@pytest.mark.parametrize(("value", "is_set"), [("1", True), ("true", True), ("0", False), ("", False), ("off", False)])
def test_debug_is_asked_for_like_do_not_track(value: str, is_set: bool) -> None:
    assert environment.debug({"CLI_ANALYTICS_DEBUG": value}) is is_set
    assert not environment.debug({})
