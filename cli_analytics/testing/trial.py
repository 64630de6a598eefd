"""Trial: a command of a host's, run once for each way to say no, in processes that are watched.

    opted_out_opens_nothing(…)   called by a test of the host's
      └ <the command>            started by a user who was told, in a home of their own
          └ sitecustomize.py     in each of its Python processes, before the first line: audit.watch(…)

Nothing is proved by a trial that can't fail: for a user who says nothing the command must be seen to record.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cli_analytics import breaker, detection, environment, manifest, storage, user_commands
from cli_analytics.client import Analytics
from cli_analytics.spool import Spool

TIMEOUT_SECONDS = 60
CLOSED = "http://127.0.0.1:9"  # the discard port, where nobody listens: when the trial fails a sender may start
PAUSE_SECONDS = 3600  # longer than any trial

_SITECUSTOMIZE = "from cli_analytics.testing.audit import watch\n\nwatch({acts!r}, hides={home!r})\n"


class Way(NamedTuple):
    """A way to say no: a variable, an option before the command's own arguments, or the choice that `off` saves."""

    name: str
    environ: Mapping[str, str] = {}
    options: tuple[str, ...] = ()
    is_saved: bool = False


def opted_out_opens_nothing(
    home: str,
    analytics: Analytics,
    tool: Sequence[str],
    *arguments: str,
    environ: Mapping[str, str] = {},
    option: str = "--no-analytics",
) -> list[str]:
    """Assert that a command opens nothing through us, whatever says no; return the ways that were tried.

    The command is `tool`, which starts the host, and `arguments`. A user who was told runs it once and says nothing:
    then it must record, or the rest would prove nothing. They run it again for each way to say no, `option` among them
    if the tool's help has it. `environ` has further variables, `home` is an empty folder. Raises AssertionError.
    """
    __tracebackhide__ = True
    opt_out_env = (environment.DO_NOT_TRACK, *manifest.load(analytics.manifest).policy.opt_out_env)
    trial = _Trial(home, analytics, [*tool], arguments, _environ(home, environ, without=opt_out_env))
    trial.expect_a_record()
    ways = [Way(f"{environment.SEND}=false", {environment.SEND: "false"})]
    ways += [Way(f"{name}=1", {name: "1"}) for name in opt_out_env]
    ways += [Way(option, options=(option,))] if option in trial.help() else []
    ways += [Way("the saved choice", is_saved=True)]  # the last one, for it stays
    for way in ways:
        trial.expect_nothing(way)
    return [way.name for way in ways]


class _Trial:
    """A command, and a user in whose home nothing else is run."""

    def __init__(
        self, home: str, analytics: Analytics, tool: list[str], arguments: tuple[str, ...], environ: dict[str, str]
    ) -> None:
        self.acts = os.path.join(home, "acts")
        self.tool = tool
        self.arguments = arguments
        self.environ = environ
        self.client = Analytics(analytics.tool, version=analytics.version, manifest=analytics.manifest, environ=environ)
        self.where = storage.locate(analytics.tool, environ)
        with open(os.path.join(home, "sitecustomize.py"), "w", encoding="utf-8") as file:
            file.write(_SITECUSTOMIZE.format(acts=self.acts, home=home))

    def expect_a_record(self) -> None:
        """Have the user told, who lets it record. No sender starts: nothing else is to happen in this home."""
        user_commands.on(self.client)
        breaker.postpone(self.where, (), "trial", PAUSE_SECONDS)
        acts = self._run()
        if not Spool(self.where.spool).waiting():
            why = self._start(*self.arguments, **{environment.DEBUG: "1"}).stderr
            raise AssertionError(f"{self} records nothing for a user who says nothing, which proves nothing\n{why}")
        if not acts:
            raise AssertionError(f"{self} can't be watched: does it start a Python with -I, -E or -S?")
        breaker.succeeded(self.where, (), "trial")

    def expect_nothing(self, way: Way) -> None:
        """Run it for a user who says no. What waits to be sent is no reason to start a sender."""
        if way.is_saved:
            storage.replace(self.where.choice, b"off\n")
        before = self._files()
        acts = self._run(*way.options, **way.environ)
        after = self._files()
        acts += [f"changed {path}" for path in sorted({**before, **after}) if before.get(path) != after.get(path)]
        if acts:
            raise AssertionError("\n  ".join([f"{self} did this through cli_analytics in spite of {way.name}:", *acts]))

    def help(self) -> str:
        """What the tool says about itself."""
        return self._start("--help", **{environment.SEND: "false"}).stdout

    def _run(self, *options: str, **environ: str) -> list[str]:
        """What the command does through us."""
        if os.path.exists(self.acts):
            os.unlink(self.acts)
        done = self._start(*options, *self.arguments, **environ)
        if not os.path.exists(self.acts):
            needed = "a Python that has cli_analytics, without -I, -E and -S"
            raise AssertionError(f"{self} can't be watched, that takes {needed}\n{done.stderr}")
        with open(self.acts, encoding="utf-8", errors="replace") as file:
            return [line for line in file.read().splitlines() if line]

    def _start(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.tool, *arguments],
            env={**self.environ, **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_SECONDS,
        )

    def _files(self) -> dict[str, tuple[int, int]]:
        """Time and size of everything in the folders that are ours."""
        folders = (self.where.config, self.where.state, os.path.dirname(self.where.user_choice))
        paths = [
            path
            for folder in folders
            for parent, _, names in os.walk(folder)
            for path in (parent, *(os.path.join(parent, name) for name in names))
        ]
        return {path: (os.lstat(path).st_mtime_ns, os.lstat(path).st_size) for path in paths}

    def __str__(self) -> str:
        return " ".join([*self.tool, *self.arguments])


def _environ(home: str, more: Mapping[str, str], *, without: Sequence[str]) -> dict[str, str]:
    """The variables of a user with this home, who is in no CI and in no test run and has no opinion yet."""
    known = {**os.environ, **more}
    hidden = {environment.SEND, *without, *environment.TEST_RUNNERS, *detection.CI_NAMES}
    paths = [home, *filter(None, [known.get("PYTHONPATH")])]
    return {
        **{name: known[name] for name in known.keys() - hidden if not name.startswith("CLI_ANALYTICS_")},
        "HOME": home,
        "XDG_CONFIG_HOME": os.path.join(home, ".config"),
        "XDG_STATE_HOME": os.path.join(home, ".local", "state"),
        "XDG_CONFIG_DIRS": os.path.join(home, "etc"),
        environment.ENDPOINT: CLOSED,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONDONTWRITEBYTECODE": "1",  # a module of ours that is compiled on its first import is no act
    }
