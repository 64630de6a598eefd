"""Properties: the closed sets that a declared value comes from.

    kind            manifest                                 leaves as
    OneOf           { one_of = ["csv", "json"] }             the string
    Boolean         { type = "boolean" }                     true or false
    Integer         { type = "integer", min = 0, max = 9 }   the number, cut to the bounds
    Bucket          { bucket = [10, 100] }                   "<10", "10-99" or ">=100"
    Version         { type = "version" }                     "1.2.3rc1"
    CommandPath     built in                                 "db migrate", a path of registered names
    OptionNames     built in                                 ["--format"], never a value
    ExceptionName   built in                                 "ValueError", a builtin or a declared class

Each kind has `clean(value)`, which returns what leaves or raises UndeclaredError, and `allowed()`, which says it in
words. `clean` is idempotent, so the sender and the collector run the same check. There is no free text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple, Protocol, Union

from cli_analytics.errors import UndeclaredError
from cli_analytics.event import OTHER, UNKNOWN_COMMAND

Value = Union[str, int, bool, list[str]]

MAX_OPTIONS = 30  # more on one line is a script gone wrong, not a usage pattern
MAX_PATH = 100  # GA4 cuts a parameter value at 100 characters
WEEK_MS = 7 * 24 * 3600 * 1000

VERSION = re.compile(
    r"\d{1,8}(\.\d{1,8}){0,5}"
    r"([-.+_]?(a|b|c|rc|alpha|beta|pre|post|dev|final)?[-.]?\d{1,8}|[-.+](alpha|beta|rc|dev)){0,4}",
    re.ASCII,
)
COMMAND = re.compile(r"[A-Za-z0-9][\w.:+-]{0,39}|<unknown>|<other>")
OPTION = re.compile(r"[-+/]{1,2}[A-Za-z0-9?][\w.-]{0,39}")
CLICK_EXCEPTIONS = frozenset(
    [
        "Abort",
        "BadArgumentUsage",
        "BadOptionUsage",
        "BadParameter",
        "ClickException",
        "FileError",
        "MissingParameter",
        "NoArgsIsHelpError",
        "NoSuchCommand",
        "NoSuchOption",
        "UsageError",
    ]
)


class Kind(Protocol):
    """A closed set of values."""

    def clean(self, value: object) -> Value:
        """The value as it leaves. Raises UndeclaredError for any that may not."""

    def allowed(self) -> str:
        """The set in words."""


class Declaration(NamedTuple):
    """One event that may leave: why, and with which properties."""

    why: str
    properties: Mapping[str, Kind]


class OneOf(NamedTuple):
    """A string out of a list."""

    values: tuple[str, ...]

    def clean(self, value: object) -> Value:
        """The string itself."""
        if isinstance(value, str) and value in self.values:
            return value
        raise UndeclaredError(f"not {self.allowed()}")

    def allowed(self) -> str:
        """The list."""
        return f"one of {', '.join(self.values)}" if self.values else "nothing, the list is empty"


class Boolean(NamedTuple):
    """True or false."""

    def clean(self, value: object) -> Value:
        """The boolean itself."""
        if isinstance(value, bool):
            return value
        raise UndeclaredError(f"not {self.allowed()}")

    def allowed(self) -> str:
        """Both."""
        return "true or false"


class Integer(NamedTuple):
    """A whole number; one outside of the bounds leaves as the nearer bound."""

    minimum: int
    maximum: int

    def clean(self, value: object) -> Value:
        """The number within the bounds."""
        if isinstance(value, int) and not isinstance(value, bool):
            return max(self.minimum, min(self.maximum, value))
        raise UndeclaredError(f"not {self.allowed()}")

    def allowed(self) -> str:
        """The bounds."""
        return f"a whole number from {self.minimum} to {self.maximum}"


class Bucket(NamedTuple):
    """A number that leaves only as the range it lies in."""

    edges: tuple[int, ...]

    def labels(self) -> tuple[str, ...]:
        """`<10`, `10-99`, `>=100` for the edges 10 and 100."""
        inner = (f"{low}-{high - 1}" for low, high in zip(self.edges, self.edges[1:]))
        return (f"<{self.edges[0]}", *inner, f">={self.edges[-1]}")

    def clean(self, value: object) -> Value:
        """The label of the range."""
        if isinstance(value, str) and value in self.labels():
            return value
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value == value:
            return self.labels()[sum(value >= edge for edge in self.edges)]
        raise UndeclaredError(f"not {self.allowed()}")

    def allowed(self) -> str:
        """The ranges."""
        return f"a number, sent as one of {', '.join(self.labels())}"


class Version(NamedTuple):
    """A version such as 1.2.3, 2.0rc1 or 1.0-beta.2."""

    def clean(self, value: object) -> Value:
        """The version string itself."""
        if isinstance(value, str) and len(value) <= 40 and VERSION.fullmatch(value):
            return value
        raise UndeclaredError(f"not {self.allowed()}")

    def allowed(self) -> str:
        """The form."""
        return "a version such as 1.2.3 or 2.0rc1"


class CommandPath(NamedTuple):
    """The names of a command from below the tool down, as the host registered them."""

    def clean(self, value: object) -> Value:
        """The path itself."""
        if isinstance(value, str) and len(value) <= MAX_PATH and all(map(COMMAND.fullmatch, value.split(" "))):
            return value
        return OTHER

    def allowed(self) -> str:
        """The form."""
        return f"the command's registered name; {UNKNOWN_COMMAND} for a mistyped one"


class OptionNames(NamedTuple):
    """Names of options as the host declared them; never a value."""

    def clean(self, value: object) -> Value:
        """The names, sorted, without any that is no option's name."""
        if not isinstance(value, (list, tuple)):
            raise UndeclaredError(f"not {self.allowed()}")
        names = {name for name in value if isinstance(name, str) and OPTION.fullmatch(name)}
        return sorted(names)[:MAX_OPTIONS]

    def allowed(self) -> str:
        """The form."""
        return "the names of the options given, never their values"


class ExceptionName(NamedTuple):
    """The class name of an exception: a builtin one, one of click's, or one the manifest declares."""

    declared: tuple[str, ...] = ()

    def clean(self, value: object) -> Value:
        """The name itself, or `<other>`."""
        if isinstance(value, str) and (value in self.declared or value in CLICK_EXCEPTIONS or is_builtin(value)):
            return value
        return OTHER

    def allowed(self) -> str:
        """The set."""
        declared = f", {', '.join(self.declared)}" if self.declared else ""
        return f"the class name of a builtin exception{declared}; {OTHER} for any other"


def is_builtin(name: str) -> bool:
    """Whether `name` is that of an exception that Python itself knows."""
    import builtins

    value = getattr(builtins, name, None)
    return isinstance(value, type) and issubclass(value, BaseException)


OUTCOMES = OneOf(("ok", "error", "usage_error", "aborted", "broken_pipe"))

# What every host collects unless its manifest narrows it.
BUILT_IN: Mapping[str, Declaration] = {
    "command_run": Declaration(
        "Which commands are used, how long they take and how they end",
        {
            "command": CommandPath(),
            "duration_ms": Integer(0, WEEK_MS),
            "outcome": OUTCOMES,
            "exit_code": Integer(0, 255),
            "exception": ExceptionName(),
            "options": OptionNames(),
        },
    ),
    "feature_used": Declaration("Which features are used", {"feature": OneOf(())}),
}
