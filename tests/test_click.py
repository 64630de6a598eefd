"""What is decorated: a command, a group or a function, above or below click's decorators, or the whole tree."""

from __future__ import annotations

import asyncio
import copy
import inspect
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from environment_of_a_user import UserOf, call, instrument, run_of

from cli_analytics import Analytics


@pytest.fixture
def user(tmp_path: Path) -> UserOf:
    return UserOf(tmp_path)


@pytest.fixture
def analytics(user: UserOf) -> Analytics:
    return instrument(user)


def test_a_command_decorated_above_is_recorded(user: UserOf, analytics: Analytics) -> None:
    @analytics.command
    @click.command()
    @click.option("--rows", type=int)
    def export(rows: int) -> None:
        pass

    assert isinstance(export, click.Command)
    assert call(export, "--rows", "3") == 0
    assert call(export, "--rows", "x") == 2
    user.has_recorded(run_of("tool", "ok", 0, "", "--rows"), run_of("tool", "usage_error", 2, "BadParameter", "--rows"))


def test_a_command_decorated_below_is_recorded_but_for_what_click_refuses(user: UserOf, analytics: Analytics) -> None:
    @click.command()
    @click.option("--rows", type=int)
    @analytics.command
    def export(rows: int) -> None:
        pass

    assert call(export, "--rows", "3") == 0
    assert call(export, "--rows", "x") == 2
    user.has_recorded(run_of("tool", "ok", 0, "", "--rows"))


def test_it_stacks_with_the_decorators_that_pass_things(
    user: UserOf, analytics: Analytics, capsys: pytest.CaptureFixture[str]
) -> None:
    class Repository:
        pass

    @click.command(context_settings={"obj": Repository()})
    @click.pass_context
    @click.make_pass_decorator(Repository)
    @analytics.command
    @click.pass_obj
    @click.argument("name")
    def clone(obj: Repository, repository: Repository, ctx: click.Context, name: str) -> None:
        click.echo(f"{obj is repository} {ctx.info_name} {name}")

    assert call(clone, "secret") == 0
    assert capsys.readouterr().out == "True tool secret\n"
    user.has_recorded(run_of("tool"))


def test_a_function_outside_of_click_is_recorded_by_its_name(user: UserOf, analytics: Analytics) -> None:
    @analytics.command
    def print_report(rows: int) -> int:
        return 10 // rows

    assert print_report(2) == 5
    with pytest.raises(ZeroDivisionError):
        print_report(0)
    user.has_recorded(run_of("print-report"), run_of("print-report", "error", 1, "ZeroDivisionError"))


def test_a_function_keeps_its_name_its_signature_and_what_it_is(analytics: Analytics) -> None:
    def plain(rows: int, *, form: str = "csv") -> str:
        """Say it."""
        return f"{rows}{form}"

    async def waits() -> None:
        pass

    decorated = analytics.command(plain)
    assert decorated(3) == "3csv"
    assert (decorated.__name__, decorated.__doc__) == ("plain", "Say it.")
    assert inspect.signature(decorated) == inspect.signature(plain)
    assert inspect.iscoroutinefunction(analytics.command(waits))


def test_a_coroutine_is_recorded_when_it_ends(user: UserOf, analytics: Analytics) -> None:
    @analytics.command
    async def serve(fail: bool) -> str:
        assert not user.events()
        await asyncio.sleep(0)
        if fail:
            raise ValueError("late")
        return "served"

    with pytest.raises(ValueError, match="late"):
        asyncio.run(serve(True))
    user.has_recorded(run_of("serve", "error", 1, "ValueError"))


def test_an_interrupt_outside_of_click_ends_a_process_with_another_status(user: UserOf, analytics: Analytics) -> None:
    @analytics.command
    def main(error: BaseException) -> None:
        raise error

    for error in (KeyboardInterrupt(), SystemExit(3), SystemExit(), EOFError(), click.UsageError("secret")):
        with pytest.raises(type(error)):
            main(error)
    user.has_recorded(
        run_of("main", "aborted", 130, "KeyboardInterrupt"),
        run_of("main", "error", 3),
        run_of("main"),
        run_of("main", "error", 1, "EOFError"),
        run_of("main", "error", 1, "UsageError"),
    )


def test_a_decorated_function_inside_of_a_run_is_part_of_it(user: UserOf, analytics: Analytics) -> None:
    @analytics.command
    def inner() -> None:
        pass

    @analytics.command
    def outer() -> None:
        inner()

    @analytics.command
    @click.command()
    def cli() -> None:
        outer()

    outer()
    assert call(cli) == 0
    user.has_recorded(run_of("outer"), run_of("tool"))


def test_a_function_that_runs_a_command_leaves_the_event_to_it(user: UserOf, analytics: Analytics) -> None:
    @click.command()
    @click.option("--rows")
    def cli(rows: str) -> None:
        pass

    @analytics.command
    def main(*arguments: str) -> None:
        cli.main(list(arguments), "tool")

    analytics.attach(cli)
    for arguments in (["--rows", "3"], ["--help"]):
        with pytest.raises(SystemExit):
            main(*arguments)
    user.has_recorded(run_of("tool", "ok", 0, "", "--rows"))


def test_a_function_is_not_recorded_while_a_shell_completes(user: UserOf) -> None:
    user.environ["_TOOL_COMPLETE"] = "bash_complete"
    instrument(user).command(lambda: None)()
    assert not user.events()


def test_a_command_decorated_twice_is_recorded_once(user: UserOf, analytics: Analytics) -> None:
    @analytics.command
    @analytics.command
    @click.command()
    @analytics.command
    @analytics.command
    def cli() -> None:
        pass

    analytics.attach(cli)
    analytics.attach(cli)
    assert call(cli) == 0
    user.has_recorded(run_of("tool"))


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_a_copied_command_runs_its_own_callback(user: UserOf, analytics: Analytics, duplicate: Any) -> None:
    ran: list[str] = []

    @analytics.command
    @click.command()
    def original() -> None:
        ran.append("original")

    copied = duplicate(original)
    copied.callback = lambda: ran.append("copied")
    assert call(copied) == call(original) == 0
    assert ran == ["copied", "original"]
    user.has_recorded(run_of("tool"), run_of("tool"))


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_a_copied_group_finds_its_own_commands(
    user: UserOf, analytics: Analytics, duplicate: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    cli = click.Group("cli", commands={"old": click.Command("old")})
    analytics.attach(cli)
    assert call(cli, "old") == 0
    copied = duplicate(cli)
    copied.commands = {"new": click.Command("new")}
    assert call(copied, "new") == 0
    assert call(copied, "old") == 2
    assert call(cli, "old") == 0
    assert call(copied, "--help") == 0
    assert "\n  new" in capsys.readouterr().out
    assert user.commands() == ["<unknown>", "new", "old", "old"]


def test_a_context_class_of_the_hosts_own_is_kept(user: UserOf, analytics: Analytics) -> None:
    class Registered(click.Context):
        subclasses: tuple[type, ...] = ()

        def __init_subclass__(cls) -> None:
            Registered.subclasses += (cls,)

        def greeting(self) -> str:
            return f"hello {self.info_name}"

    class Greeting(click.Command):
        context_class = Registered

    seen: list[Any] = []

    @analytics.command
    @click.command(cls=Greeting)
    @click.pass_context
    def cli(ctx: click.Context, /) -> None:
        assert isinstance(ctx, Registered)
        seen.extend([ctx.greeting(), type(ctx).__name__, type(ctx).__module__])

    assert call(cli) == 0
    assert seen == ["hello tool", "Registered", __name__]
    assert Registered.subclasses == ()
    user.has_recorded(run_of("tool"))


def at_once(*targets: Callable[[], object]) -> None:
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def run_in_thread(analytics: Analytics, meeting: threading.Barrier, name: str, *flags: str) -> Callable[[], object]:
    cli = click.Group(commands={name: click.Command(name, callback=meeting.wait)})
    analytics.attach(cli)
    return lambda: cli.main([*flags, name], "tool", standalone_mode=False)


def test_two_threads_may_run_at_once(user: UserOf, analytics: Analytics) -> None:
    meeting = threading.Barrier(2, timeout=30)
    at_once(run_in_thread(analytics, meeting, "one"), run_in_thread(analytics, meeting, "two"))
    assert user.commands() == ["one", "two"]


def test_who_says_no_is_heard_whoever_else_runs(user: UserOf, analytics: Analytics) -> None:
    for _ in range(50):
        meeting = threading.Barrier(2, timeout=30)
        at_once(
            run_in_thread(analytics, meeting, "private", "--no-analytics"), run_in_thread(analytics, meeting, "public")
        )
    assert set(user.commands()) <= {"public"}


def test_a_test_run_is_not_recorded_unless_the_host_says_so(user: UserOf) -> None:
    @click.command()
    def cli() -> None:
        click.echo("hello")

    instrument(user, record_in_tests=False).attach(cli)
    assert CliRunner().invoke(cli).output == "hello\n"
    assert user.files() == []


def test_where_it_may_it_records_what_a_test_runner_invokes(user: UserOf, analytics: Analytics) -> None:
    @click.command()
    def cli() -> None:
        raise ValueError("secret")

    analytics.attach(cli)
    result = CliRunner().invoke(cli)
    assert isinstance(result.exception, ValueError)
    user.has_recorded(run_of("tool", "error", 1, "ValueError"))
