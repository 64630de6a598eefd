"""Which variables are read, and what counts as yes, no and no opinion."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cli_analytics import detection, environment

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


@pytest.mark.parametrize("name", detection.CI_VENDORS)
def test_each_vendor_is_known_by_its_variable_alone(name: str) -> None:
    assert environment.ci_vendor({name: "x"}) == detection.CI_VENDORS[name]


def test_ci_may_say_anything_but_false() -> None:
    for name in detection.CI_NAMES - {"CI"}:
        assert environment.ci_vendor({name: "false"}) != "none"
        assert environment.ci_vendor({name: "x", "CI": "false"}) == "none"


@pytest.mark.parametrize("name", detection.AGENTS)
def test_an_agent_is_known_by_what_it_sets(name: str) -> None:
    assert environment.agent({"PATH": "/bin", name: "1"}) == name
    assert environment.agent({name: ""}) == ""
    assert environment.ci_vendor({name: "1"}) == "none", "an agent works for a person"


def test_what_people_set_too_gives_no_agent_away() -> None:
    editors = {"CURSOR_TRACE_ID": "1", "REPL_ID": "1", "TERM_PROGRAM": "vscode", "GIT_PAGER": "cat", "PAGER": "cat"}
    settings = {"COPILOT_MODEL": "x", "GOOSE_PROVIDER": "x", "CODEX_HOME": "x", "OPENCODE_CONFIG": "x", "AGENT": "x"}
    assert environment.agent({**editors, **settings}) == ""


@pytest.mark.parametrize(
    ("files", "environ", "kind"),
    [
        ([], {}, "none"),
        ([], {"container": ""}, "none"),
        ([".dockerenv"], {}, "docker"),
        (["run/.containerenv"], {}, "podman"),
        (["run/.containerenv"], {"container": "podman"}, "podman"),
        ([], {"container": "lxc"}, "other"),
        ([], {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "kubernetes"),
        ([".dockerenv"], {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "kubernetes"),
        ([".dockerenv"], {"KUBERNETES_SERVICE_HOST": ""}, "docker"),
        ([".dockerenv", "run/.containerenv"], {}, "docker"),
    ],
)
def test_a_container_is_known_by_its_first_sign(
    tmp_path: Path, files: list[str], environ: dict[str, str], kind: str
) -> None:
    (tmp_path / "run").mkdir()
    for name in files:
        (tmp_path / name).touch()
    assert environment.container(environ, root=str(tmp_path)) == kind


def test_the_signs_of_a_container_are_documented_in_their_order() -> None:
    page = Path(__file__).parents[1].joinpath("docs", "containers.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| the (\w+)[^`|]*`([^`]+)`[^|]*\| `(\w+)` \|$", page, re.MULTILINE)
    assert tuple(rows) == detection.CONTAINERS


@pytest.mark.parametrize(("node", "kind"), [("buildkitsandbox", "other"), ("buildkitsandboxes", "none")])
def test_a_build_step_is_known_by_the_name_of_its_node(tmp_path: Path, node: str, kind: str) -> None:
    code = "import sys; from cli_analytics import environment; print(environment.container({}, root=sys.argv[1]))"
    script = 'hostname "$1" || exit 77; shift; exec "$@"'
    command = ["unshare", "--user", "--map-root-user", "--uts", "sh", "-c", script, "-", node]
    try:
        done = subprocess.run([*command, sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no unshare")
    if done.returncode and "Traceback" not in done.stderr:
        pytest.skip(f"no node can be renamed: {done.stderr}")
    assert done.stdout == f"{kind}\n"


@pytest.mark.parametrize("name", environment.TEST_RUNNERS)
def test_a_test_runner_is_known_by_what_it_sets(name: str) -> None:
    assert environment.test_runner({name: "x"}) == name
    assert environment.test_runner({name: ""}) == ""


@pytest.mark.parametrize(("value", "is_set"), [("1", True), ("true", True), ("0", False), ("", False), ("off", False)])
def test_debug_is_asked_for_like_do_not_track(value: str, is_set: bool) -> None:
    assert environment.debug({"CLI_ANALYTICS_DEBUG": value}) is is_set
    assert not environment.debug({})
