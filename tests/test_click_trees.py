"""Whole trees of commands: lazily loaded, aliased, collected, nested, chained, and decorated here and there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional, TypeVar

import click
import pytest
from environment_of_a_user import UserOf, call, host, instrument, run_of

from cli_analytics import Analytics

F = TypeVar("F", bound=Callable[..., Any])
UNKNOWN = "NoSuchCommand" if hasattr(click.exceptions, "NoSuchCommand") else "UsageError"


@pytest.fixture
def user(tmp_path: Path) -> UserOf:
    return UserOf(tmp_path)


@pytest.fixture
def analytics(user: UserOf) -> Analytics:
    return instrument(user)


def failing() -> None:
    raise ValueError("secret")


def group_of(*names: str, cls: type[click.Group] = click.Group, **settings: Any) -> click.Group:
    """A group with commands of these names; `fail` fails."""
    commands = {name: click.Command(name, callback=failing if name == "fail" else None) for name in names}
    return cls(commands=commands, **settings)


@pytest.mark.parametrize(
    ("arguments", "event"),
    [
        ("works well --deep", run_of("works well", "ok", 0, "", "--deep")),
        ("works secret", run_of("works <unknown>", "usage_error", 2, UNKNOWN)),
        ("broken", run_of("tool", "error", 1, "ImportError")),
        ("missing", run_of("tool", "error", 1, "ModuleNotFoundError")),
        ("secret", run_of("<unknown>", "usage_error", 2, UNKNOWN)),
        ("works --help", None),
        ("--help", run_of("tool", "error", 1, "ImportError")),  # the help lists them all, and fails over the broken one
    ],
)
def test_a_lazily_loaded_tree_is_recorded_and_its_tracebacks_are_the_same(
    tmp_path: Path, arguments: str, event: Optional[dict[str, Any]]
) -> None:
    user = UserOf(tmp_path)
    bare = user.run(host("lazy"), *arguments.split(), HOW="bare")
    user.hear(host("lazy"), "works", "well", HOW="attach")
    assert user.run(host("lazy"), *arguments.split(), HOW="attach") == bare
    user.has_recorded(*([event] if event else []))


class PrefixGroup(click.Group):
    """Takes any unambiguous prefix, as click's documentation shows it."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> Optional[click.Command]:
        found = super().get_command(ctx, cmd_name)
        if found is not None:
            return found
        matches = [name for name in self.list_commands(ctx) if name.startswith(cmd_name)]
        if len(matches) > 1:
            ctx.fail(f"Too many matches: {', '.join(sorted(matches))}")
        return click.Group.get_command(self, ctx, matches[0]) if matches else None


class MappingGroup(click.Group):
    """Has other names for some commands."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> Optional[click.Command]:
        return super().get_command(ctx, {"rm": "remove"}.get(cmd_name, cmd_name))


def test_a_prefix_reports_the_whole_name_and_means_what_it_meant(user: UserOf, analytics: Analytics) -> None:
    cli = group_of("add", "commit", "compare", cls=PrefixGroup)
    analytics.attach(cli)
    assert call(cli, "a") == 0  # and not an ambiguity between add and analytics
    assert call(cli, "comm") == 0
    assert call(cli, "com") == 2
    user.has_recorded(run_of("add"), run_of("commit"), run_of("<unknown>", "usage_error", 2, "UsageError"))


def test_an_alias_reports_the_registered_name(user: UserOf, analytics: Analytics) -> None:
    cli = group_of("remove", cls=MappingGroup)
    analytics.attach(cli)
    assert call(cli, "rm") == 0
    user.has_recorded(run_of("remove"))


def test_a_command_registered_under_other_names_reports_a_registered_one(user: UserOf, analytics: Analytics) -> None:
    cli = group_of("remove")
    cli.add_command(click.Command("delete"), "drop")
    cli.add_command(click.Command("remove", callback=failing), "purge")
    analytics.attach(cli)
    assert call(cli, "drop") == 0
    with pytest.raises(ValueError, match="secret"):
        cli.main(["purge"], "tool")
    user.has_recorded(run_of("drop"), run_of("purge", "error", 1, "ValueError"))


def test_a_collection_records_what_its_sources_have(user: UserOf, analytics: Analytics) -> None:
    cli = click.CommandCollection(sources=[group_of("one"), group_of("two")])
    analytics.attach(cli)
    assert call(cli, "one") == call(cli, "two") == 0
    assert call(cli, "secret") == 2
    user.has_recorded(run_of("one"), run_of("two"), run_of("<unknown>", "usage_error", 2, UNKNOWN))


def test_commands_may_come_late(user: UserOf, analytics: Analytics) -> None:
    @click.group(invoke_without_command=True)
    def cli() -> None:
        cli.add_command(click.Command("plugin"))

    analytics.attach(cli)
    assert call(cli, "plugin") == 2  # it is not there before the first callback
    assert call(cli) == call(cli, "plugin") == 0
    user.has_recorded(run_of("<unknown>", "usage_error", 2, UNKNOWN), run_of("tool"), run_of("plugin"))


def test_a_group_may_have_a_default_for_unknown_names(user: UserOf, analytics: Analytics) -> None:
    class WithDefault(click.Group):
        def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
            return super().resolve_command(ctx, args if args[0] in self.commands else ["run", *args])

    cli = WithDefault(commands={"run": click.Command("run", params=[click.Argument(["script"])])})
    analytics.attach(cli)
    assert call(cli, "secret.py") == 0
    user.has_recorded(run_of("run"))


def test_what_the_host_makes_up_from_what_was_typed_is_not_recorded(user: UserOf, analytics: Analytics) -> None:
    class Anything(click.Group):
        def get_command(self, ctx: click.Context, cmd_name: str) -> Optional[click.Command]:
            return click.Command(cmd_name)

    cli = Anything()
    analytics.attach(cli)
    assert call(cli, "secret") == 0
    user.has_recorded(run_of("<other>"))


def test_a_nested_command_reports_its_path(user: UserOf, analytics: Analytics) -> None:
    leaf = group_of("well", "fail")
    cli = click.Group(commands={"a": click.Group("a", commands={"b": click.Group("b", commands=leaf.commands)})})
    analytics.attach(cli)
    assert call(cli, "a", "b", "well") == 0
    assert call(cli, "a", "b") in (0, 2)  # prints its help; the status depends on click
    assert call(cli, "a", "b", "secret") == 2
    assert call(cli, "a", "b", "--help") == call(cli, "a", "--help") == call(cli, "--help") == 0
    assert user.commands() == ["a b <unknown>", "a b well"]


def chain(analytics: Analytics, result: Callable[..., Any] = lambda results: None) -> click.Group:
    """A chain of `well`, `fail` and `refuse`."""
    cli = group_of("well", "fail", chain=True, callback=lambda: None, result_callback=result)
    cli.add_command(click.Command("takes", params=[click.Option(["--number"], type=int)]))
    analytics.attach(cli)
    return cli


@pytest.mark.parametrize(
    ("arguments", "events"),
    [
        ("well takes --number 3", [run_of("well"), run_of("takes", "ok", 0, "", "--number")]),
        ("well well", [run_of("well"), run_of("well")]),
        ("well fail well", [run_of("well"), run_of("fail", "error", 1, "ValueError")]),
        ("well secret", [run_of("<unknown>", "usage_error", 2, UNKNOWN)]),
        ("well takes --number x", [run_of("takes", "usage_error", 2, "BadParameter", "--number")]),
        ("well takes --help", []),
        ("--help", []),
    ],
)
def test_each_member_of_a_chain_makes_one_event(
    user: UserOf, analytics: Analytics, arguments: str, events: list[dict[str, Any]]
) -> None:
    with pytest.raises((SystemExit, ValueError)):
        chain(analytics).main(arguments.split(), "tool")
    user.has_recorded(*events)


def test_a_failing_result_callback_is_the_tools_own_failure(user: UserOf, analytics: Analytics) -> None:
    def result(_results: list[Any]) -> None:
        raise KeyError("secret")

    with pytest.raises(KeyError):
        chain(analytics, result).main(["well"], "tool")
    user.has_recorded(run_of("well"), run_of("tool", "error", 1, "KeyError"))


@pytest.mark.parametrize("group_by", ["above", "below", "nobody"])
@pytest.mark.parametrize("command_by", ["above", "below", "nobody"])
@pytest.mark.parametrize("is_chain", [False, True])
def test_no_command_is_ever_recorded_twice(
    user: UserOf, analytics: Analytics, group_by: str, command_by: str, is_chain: bool
) -> None:
    def decorated(by: str, where: str) -> Callable[[F], F]:
        return analytics.command if by == where else lambda target: target

    @decorated(group_by, "above")
    @click.group(chain=is_chain)
    @decorated(group_by, "below")
    def cli() -> None:
        pass

    @decorated(command_by, "above")
    @cli.command()
    @decorated(command_by, "below")
    def work() -> None:
        pass

    assert call(cli, *["work"] * (1 + is_chain)) == 0
    is_recorded = (group_by, command_by) != ("nobody", "nobody")
    assert user.commands() == ["work"] * (1 + is_chain) * is_recorded


def test_a_group_decorated_below_reports_its_own_failure(user: UserOf, analytics: Analytics) -> None:
    @click.group(invoke_without_command=True)
    @analytics.command
    def cli() -> None:
        raise click.ClickException("secret")

    cli.add_command(click.Command("work"))
    assert call(cli) == call(cli, "work") == 1
    user.has_recorded(*[run_of("tool", "error", 1, "ClickException")] * 2)


def test_a_command_that_invokes_another_is_one_run(user: UserOf, analytics: Analytics) -> None:
    cli = group_of("other")

    @cli.command()
    @click.pass_context
    def outer(ctx: click.Context) -> None:
        ctx.invoke(cli.commands["other"])
        ctx.forward(cli.commands["other"])
        with cli.commands["other"].make_context("other", [], parent=ctx) as made:
            cli.commands["other"].invoke(made)
        assert ctx.parent is not None
        with cli.make_context(None, ["other"], parent=ctx.parent) as made:  # as click-repl does
            cli.invoke(made)
        with pytest.raises(click.UsageError), cli.make_context(None, ["secret"], parent=ctx.parent) as made:
            cli.invoke(made)

    cli.commands["other"].callback = lambda: None
    analytics.attach(cli)
    assert call(cli, "outer") == 0
    user.has_recorded(run_of("outer"))
