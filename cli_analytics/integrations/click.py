"""Click: records a `command_run` for every command of a tree, however it ends.

    observe(command)      its contexts are made by us from now on, nothing else about it changes
      └ a context is made                the clock starts; a group's subcommand is observed when it is found
          └ it is left after parsing     a usage error, or --help and the like, which record nothing
              └ it is left for good      outcome, exit status, path and options → Client.record

We are not on the stack while the host works: a context is a subclass of the host's own, whose __enter__ and __exit__
come and go. So tracebacks have no frame of ours; frames.py takes out those of the places that do call the host, which
are look-ups and decorated functions. (Before Python 3.11 one stays: when a closer of the outermost context raises.)
"""

from __future__ import annotations

import time
from threading import get_ident, main_thread
from typing import TYPE_CHECKING, Any, Optional

import click
from click.core import ParameterSource
from click.exceptions import Exit

from cli_analytics import environment
from cli_analytics.event import OTHER, UNKNOWN_COMMAND

if TYPE_CHECKING:
    from types import TracebackType

    from cli_analytics.host import Host
    from cli_analytics.integrations.endings import Ending

FLAG = "cli_analytics_off"  # the parameter behind --no-analytics, which is not reported

_observed_classes: dict[type[click.Context], type[click.Context]] = {}


def observe(client: Host, target: Any) -> None:
    """Have the contexts of a command made by us. Doing it twice changes nothing."""
    original = target.context_class
    if not isinstance(original, _ContextMaker):
        target.context_class = _ContextMaker(client, original)


def run_of(client: Host, ctx: Optional[click.Context]) -> Optional[Run]:
    """The run that a context belongs to, if it or one above it is observed."""
    while ctx is not None:
        visit: Optional[Visit] = getattr(ctx, "_cli_analytics", None)
        if visit is not None and visit.run.client is client:
            return visit.run
        ctx = ctx.parent
    return None


def record(client: Host, path: str, started: float, ended: Ending, options: list[str]) -> None:
    """Record one run of the command `path`, which began at `started` (time.perf_counter)."""
    outcome, status, exception = ended
    properties: dict[str, Any] = {"exception": exception} if exception else {}
    client.record(
        "command_run",
        command=path,
        duration_ms=int((time.perf_counter() - started) * 1000),
        outcome=outcome,
        exit_code=status,
        options=options,
        **properties,
    )


def path_of(ctx: click.Context, *, tool: str, unknown: bool = False) -> str:
    """The registered names from below the tool down to the command of `ctx`; the tool's own for the tool itself."""
    names = [UNKNOWN_COMMAND] if unknown else []
    while ctx.parent is not None:
        names.append(_registered_name(ctx.parent, ctx))
        ctx = ctx.parent
    return " ".join(reversed(names)) or tool


def options_of(ctx: Optional[click.Context]) -> list[str]:
    """The names of the options given on the command line to this command and to those above it."""
    names: list[str] = []
    while ctx is not None:
        names += [_spelling(ctx, given) for given in ctx.command.params if _was_given(ctx, given)]
        ctx = ctx.parent
    return sorted(names)


def judge(error: Optional[BaseException]) -> Ending:
    """How a command ended that raised `error`, or nothing."""
    if error is None or (isinstance(error, Exit) and error.exit_code == 0):
        return "ok", 0, ""
    from cli_analytics.integrations import endings

    return endings.judge(error)


def is_group(command: Any) -> bool:
    """True for everything that has subcommands, whatever class click gives it in this version."""
    return hasattr(command, "list_commands")


class Run:
    """One run of the tool: from the making of the outermost context that we see to leaving it."""

    def __init__(self, client: Host, root: click.Context) -> None:
        self.client = client
        self.root = root
        self.innermost = root
        self.is_silent = False  # --help, --version and the users' own commands
        self.is_off = False  # started with the flag that says no
        self.is_over = False
        self.searching: Optional[click.Context] = None  # of the group that looks for the subcommand it was given
        self.found: Optional[click.Command] = None  # the last that was found so
        self.recorded_members = False  # of a chain
        self.recorded_error: Optional[BaseException] = None

    @property
    def group(self) -> Optional[click.Context]:
        """The context that may make the next one. Those that a command makes for itself are part of its own run."""
        return self.innermost.parent if _is_chain_member(self.innermost) else self.innermost

    def is_next(self, ctx: click.Context) -> bool:
        """True for the context of the subcommand that was found."""
        return ctx.parent is self.group and ctx.command is self.found


class Visit:
    """One context of a run: how deep it is entered, and whether it is parsed."""

    def __init__(self, run: Run, ctx: click.Context) -> None:
        self.run = run
        self.ctx = ctx
        self.depth = 0
        self.is_parsed = False
        self.started = time.perf_counter()

    def left(self, error: Optional[BaseException]) -> None:
        """The context was left: for the first time after parsing, for the second time for good."""
        run = self.run
        if not self.is_parsed:
            self.is_parsed = True
            run.is_silent = run.is_silent or _was_answered(error)
            if error is None or self.ctx is not run.root:
                return
        if error is not None and not isinstance(error, Exit):  # with which click ends every successful run
            from cli_analytics.integrations import frames

            frames.hide(error)
        if self.ctx is run.root:
            self._finish(error)
        elif _is_chain_member(self.ctx):
            run.recorded_members = True
            run.recorded_error = error
            self._record(self.ctx, error)

    def _finish(self, error: Optional[BaseException]) -> None:
        """The run is over. The members of a chain have been recorded, each on its own, but for what came after them."""
        run = self.run
        if run.is_over:
            return
        run.is_over = True
        if run.searching is not None and error is not None:
            run.is_silent = run.is_silent or _was_answered(error)
            self._record(run.searching, error, unknown=isinstance(error, click.UsageError))
        elif not run.recorded_members:
            self._record(run.innermost, error)
        elif error is not run.recorded_error and judge(error)[0] != "ok":
            self._record(getattr(error, "ctx", None) or run.root, error)

    def _record(self, ctx: click.Context, error: Optional[BaseException], *, unknown: bool = False) -> None:
        run, client = self.run, self.run.client
        if run.is_silent or (run.is_off and not environment.debug(client.environ)):
            return  # under debug the client says why, otherwise a run in another thread may have reset its flag
        path = path_of(ctx, tool=client.tool, unknown=unknown)
        record(client, path, self.started, judge(error), options_of(ctx))


class _Observed(click.Context):
    """A context that tells its visit when it is left."""

    _cli_analytics: Optional[Visit] = None  # stays None for those that click makes itself, as in ctx.invoke(other)

    def __init_subclass__(cls) -> None:
        """A host's own hook is for the host's own subclasses."""

    def __enter__(self) -> Any:
        if self._cli_analytics is not None:
            self._cli_analytics.depth += 1
        return super().__enter__()

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> Any:
        visit = self._cli_analytics
        if visit is None:
            return super().__exit__(kind, error, trace)
        visit.depth -= 1
        try:
            suppressed = super().__exit__(kind, error, trace)
            error = None if suppressed else error
            return suppressed
        except BaseException as closing_error:
            error = closing_error  # raised by a closer of the host's; its first frame is this one
            error.__traceback__ = getattr(error.__traceback__, "tb_next", None)
            raise
        finally:
            if not visit.depth:
                visit.run.client.attempt(visit.left, error)


class _ContextMaker:
    """Stands in for a command's `context_class`."""

    def __init__(self, client: Host, original: type[click.Context]) -> None:
        self.client = client
        self.observed = _observed(original)

    def __call__(self, command: click.Command, **settings: Any) -> click.Context:
        ctx = self.observed(command, **settings)
        self.client.attempt(self._visit, ctx)
        return ctx

    def __deepcopy__(self, memo: object) -> _ContextMaker:
        return self  # a copied command is the same host's

    def _visit(self, ctx: Any) -> None:
        self.client.is_calling = False  # the function that is being called, if any, has left it to us
        if ctx.resilient_parsing:  # that is completion, which records nothing
            return
        run = run_of(self.client, ctx.parent)
        if run is None:
            run = Run(self.client, ctx)
            if click.get_current_context(silent=True) is None and get_ident() == main_thread().ident:
                self.client.flag_off = False
            run.is_off = self.client.flag_off  # by the run that this one is in, or that started its thread
        elif not run.is_next(ctx):
            return
        run.innermost = ctx
        ctx._cli_analytics = Visit(run, ctx)
        if is_group(ctx.command):
            from cli_analytics.integrations.groups import Resolver

            Resolver.install(self.client, ctx.command)


def _observed(original: type[click.Context]) -> type[click.Context]:
    """The subclass of a host's context class that is observed, with its name and its place."""
    known = _observed_classes.get(original)
    if known is None:
        names = {"__module__": original.__module__, "__qualname__": original.__qualname__, "__doc__": original.__doc__}
        known = _observed_classes[original] = type(original.__name__, (_Observed, original), names)
    return known


def _is_chain_member(ctx: click.Context) -> bool:
    """True below a group whose commands are chained: each of them is a run of its own command."""
    return ctx.parent is not None and bool(getattr(ctx.parent.command, "chain", False))


def _was_answered(error: Optional[BaseException]) -> bool:
    if error is None:
        return False
    from cli_analytics.integrations import endings

    return endings.was_answered(error)


def _registered_name(parent: click.Context, ctx: click.Context) -> str:
    group: Any = parent.command
    names = [name for name in (ctx.command.name, ctx.info_name) if name]
    registered = getattr(group, "commands", {})
    known = [name for name in (*names, *registered) if registered.get(name) is ctx.command]
    if not known:
        listed = group.list_commands(parent) if is_group(group) else ()
        known = [name for name in names if name in registered or name in listed]
    return str(known[0]) if known else OTHER


def _was_given(ctx: click.Context, option: click.Parameter) -> bool:
    name = option.name
    if not isinstance(option, click.Option) or name is None or name == FLAG:
        return False
    if ctx.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
        return False
    alternatives = [other for other in ctx.command.params if other.name == name]
    return len(alternatives) == 1 or option.flag_value == ctx.params.get(name)


def _spelling(ctx: click.Context, option: click.Parameter) -> str:
    """The long name; of a flag such as --color/--no-color the one that was meant."""
    is_negative = bool(option.secondary_opts) and ctx.params.get(option.name or "") is False
    return max(option.secondary_opts if is_negative else option.opts, key=len)
