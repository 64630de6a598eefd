"""What a tree gets for the users of its host, and that nothing else about it changes."""

from __future__ import annotations

import copy
import json
import threading
from pathlib import Path
from typing import Any, Optional

import click
import pytest
from environment_of_a_user import UserOf, call, host, instrument, run_of

from cli_analytics import Analytics


@pytest.fixture
def user(tmp_path: Path) -> UserOf:
    return UserOf(tmp_path)


@pytest.fixture
def analytics(user: UserOf) -> Analytics:
    return instrument(user)


def tool(**settings: Any) -> click.Group:
    return click.Group(commands={"work": click.Command("work", callback=lambda: click.echo("worked"))}, **settings)


def test_a_tree_gets_the_users_commands_and_the_flag(
    user: UserOf, analytics: Analytics, capsys: pytest.CaptureFixture[str]
) -> None:
    cli = tool()
    analytics.attach(cli)
    assert call(cli, "--help") == 0
    shown = capsys.readouterr().out
    assert "--no-analytics" in shown
    assert shown.endswith("  work\n  analytics  See what usage data is recorded, and say yes or no to it.\n")
    assert call(cli, "analytics", "--help") == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("status", "on", "off", "log", "preview", "reset"))
    assert call(cli, "analytics", "status") == 0
    assert call(cli, "analytics", "secret") == call(cli, "analytics", "status", "--secret") == 2
    assert user.files() == []


def test_the_trees_own_registry_stays_as_it_is(analytics: Analytics) -> None:
    cli = tool()
    analytics.attach(cli)
    assert list(cli.commands) == ["work"]
    assert type(cli) is click.Group


def test_the_names_can_be_the_hosts_choice(user: UserOf, analytics: Analytics) -> None:
    cli = tool()
    analytics.attach(cli, group="usage-data", flag="--sqa-opt-out")
    assert call(cli, "usage-data", "status") == 0
    assert call(cli, "analytics", "status") == call(cli, "--no-analytics", "work") == 2
    assert call(cli, "--sqa-opt-out", "work") == 0
    assert user.commands() == ["<unknown>", "tool"]


def test_neither_need_be(user: UserOf, analytics: Analytics, capsys: pytest.CaptureFixture[str]) -> None:
    cli, bare = tool(), tool()
    analytics.attach(cli, group=None, flag=None)
    assert call(cli, "--help") == call(bare, "--help") == 0
    shown = capsys.readouterr().out
    assert shown[: len(shown) // 2] == shown[len(shown) // 2 :]
    assert call(cli, "work") == 0
    assert user.commands() == ["work"]


def test_a_command_and_an_option_of_the_hosts_own_win(
    user: UserOf, analytics: Analytics, capsys: pytest.CaptureFixture[str]
) -> None:
    cli = tool(params=[click.Option(["--no-analytics", "host_option"])], callback=lambda host_option: None)
    analytics.attach(cli)
    cli.add_command(click.Command("analytics", callback=lambda: click.echo("the host's own")))
    assert call(cli, "--no-analytics", "value", "analytics") == 0
    assert capsys.readouterr().out == "the host's own\n"
    user.has_recorded(run_of("analytics", "ok", 0, "", "--no-analytics"))


def test_the_flag_says_no_for_one_run(user: UserOf, analytics: Analytics) -> None:
    cli = tool()
    analytics.attach(cli)
    assert call(cli, "--no-analytics", "work") == call(cli, "--no-analytics") - 2 == 0
    assert user.files() == []
    assert call(cli, "work") == 0
    assert user.commands() == ["work"]


def test_under_debug_it_is_said_that_the_flag_said_no(user: UserOf, capsys: pytest.CaptureFixture[str]) -> None:
    user.environ["CLI_ANALYTICS_DEBUG"] = "1"
    cli = tool()
    instrument(user).attach(cli)
    assert call(cli, "--no-analytics", "work") == call(cli, "work") == 0
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("command_run was not recorded: this run was started with the flag that says no (flag)")
    assert json.loads(second)["properties"]["command"] == "work"
    assert user.files() == []


def test_the_flag_says_no_for_the_runs_within_and_for_the_hosts_own_events(user: UserOf, analytics: Analytics) -> None:
    cli = tool()

    @analytics.command
    def helper() -> None:
        cli.main(["work"], "tool", standalone_mode=False)

    @cli.command()
    def outer() -> None:
        cli.main(["work"], "tool", standalone_mode=False)
        thread = threading.Thread(target=helper)
        thread.start()
        thread.join()
        analytics.record("command_run", command="own")

    analytics.attach(cli)
    assert call(cli, "--no-analytics", "outer") == 0
    assert user.files() == []
    assert call(cli, "outer") == 0
    assert user.commands() == ["outer", "own", "work", "work"]


def test_options_that_commands_share_stay_shared_without_the_flag(user: UserOf, analytics: Analytics) -> None:
    shared: list[click.Parameter] = [click.Option(["--verbose"], is_flag=True, expose_value=False)]
    cli = click.Group(params=shared, commands={"work": click.Command("work", params=shared)})
    analytics.attach(cli)
    assert len(shared) == 1
    assert call(cli, "work", "--no-analytics") == 2


def test_a_tree_can_be_listed_and_copied_without_a_run(analytics: Analytics) -> None:
    cli = tool()
    analytics.attach(cli)
    unused: Any = None  # scripts that write documentation have no context
    for group in (cli, copy.copy(cli), copy.deepcopy(cli)):
        assert group.list_commands(unused) == ["work", "analytics"]
        assert isinstance(group.get_command(unused, "analytics"), click.Group)
        assert isinstance(group.get_command(unused, "work"), click.Command)
        assert group.get_command(unused, "secret") is None


def test_one_command_gets_the_flag_alone(user: UserOf, analytics: Analytics) -> None:
    cli = click.Command("work")
    analytics.attach(cli)
    assert call(cli, "--no-analytics") == 0
    assert user.files() == []


def test_hidden_and_deprecated_commands_are_recorded_and_stay_so(
    user: UserOf, analytics: Analytics, capsys: pytest.CaptureFixture[str]
) -> None:
    cli = click.Group(commands={"old": click.Command("old", deprecated=True, hidden=True)})
    analytics.attach(cli)
    assert call(cli, "old") == 0
    assert "DeprecationWarning: The command 'old' is deprecated." in capsys.readouterr().err
    assert call(cli, "--help") == 0
    assert "old" not in capsys.readouterr().out
    assert user.commands() == ["old"]


@pytest.mark.parametrize(
    "arguments",
    ["--help", "--version", "work --help", "sub --help", "sub leaf --help", "sub leaf --version", "sub", "", "--eager"],
)
def test_help_and_version_record_nothing_at_any_level(user: UserOf, analytics: Analytics, arguments: str) -> None:
    def leave(ctx: click.Context, _parameter: click.Parameter, value: Optional[bool]) -> None:
        if value:
            raise SystemExit(0)

    @click.group()
    @click.version_option("1.2.3")
    @click.option("--eager", is_flag=True, is_eager=True, expose_value=False, callback=leave)
    def cli() -> None:
        pass

    @cli.group(no_args_is_help=True)
    def sub() -> None:
        pass

    @sub.command(no_args_is_help=True)
    @click.version_option("1.2.3")
    def leaf() -> None:
        pass

    cli.add_command(click.Command("work"))
    analytics.attach(cli)
    assert call(cli, *arguments.split()) in (0, 2)
    assert call(cli, "sub", "leaf") in (0, 2)
    assert user.files() == []


@pytest.mark.parametrize(
    "words", ["tool ", "tool ret", "tool returns-none --l", "tool db ", "tool parses --count 3 --ch"]
)
def test_completion_is_the_same_and_records_nothing(tmp_path: Path, words: str) -> None:
    user = UserOf(tmp_path, SHAPE="group", COMP_WORDS=words, _TOOL_COMPLETE="bash_complete")
    user.environ["COMP_CWORD"] = str(len(words.split(" ")) - 1)
    bare = user.run(host("exits"), HOW="bare")
    assert bare.stdout
    for how in ("above", "below", "attach"):
        ended = user.run(host("exits"), HOW=how)
        mine = "plain,analytics\n"  # in the list of all commands
        assert ended._replace(stdout=ended.stdout.replace(mine, "")) == bare
    assert user.files() == []
