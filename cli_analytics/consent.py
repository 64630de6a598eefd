"""Consent: may we record? A table of rules; the first that answers wins, and its answer carries the reason.

Any "off" beats every "on": a rule either says no or passes on, and only the last one says yes. What is absent means the
default, what can't be read means no. What the user was told, and when, is kept in the stamp:

    told: <digest of the disclosure they were shown, or -> 2026-11-21
    disclosure: <digest of the manifest below>
    default: on                        ┐
    ci: off                            │ the policy of the manifest below, so that a
    opt_out_env: MYTOOL_NO_ANALYTICS   │ recording run needs no TOML parser
    ends: 2028-11-21                   ┘
                                       (an empty line)
    <the manifest, byte for byte>

Informed is whom `told` and `disclosure` agree on. When the manifest's bytes change it is parsed once; only when its
disclosure changed too is the user told again. notice.py writes the stamp.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Optional, Union

from cli_analytics import environment, storage
from cli_analytics.storage import StorageError

if TYPE_CHECKING:
    from cli_analytics import manifest
    from cli_analytics.storage import Storage

    Policy = Union[manifest.Policy, "Stamp"]  # the stamp has it too, so a recording run parses no TOML
    Rule = Callable[["Facts"], Optional[str]]

NOBODY = "-"  # told to nobody: the stamp of a deployer who said yes by variable only saves the parser
NOT_INFORMED = "notice"  # the source of the decision that a notice can change

# Found in a version that no release has.
DEVELOPMENT = ("dev", "dirty", "unknown", "editable", "snapshot")


class Stamp:
    """What the user was told, and the policy and the bytes of the manifest it was about.

    Without arguments it is that of a manifest that was not read yet, which says nothing. A plain class, as all records
    on the hot path are: to define a NamedTuple costs 0.1 ms, ten times as much.
    """

    def __init__(
        self,
        told: str = NOBODY,
        date: str = "",
        disclosure: str = "",
        manifest: bytes = b"",
        *,
        default: str = "on",
        ci: str = "on",
        opt_out_env: tuple[str, ...] = (),
        ends: str = "",
    ) -> None:
        self.told = told
        self.date = date
        self.disclosure = disclosure
        self.manifest = manifest
        self.default = default
        self.ci = ci
        self.opt_out_env = opt_out_env
        self.ends = ends

    @property
    def informed(self) -> bool:
        """True when the user was told all that the manifest discloses."""
        return self.told == self.disclosure


class Decision:
    """Whether recording is allowed, which source said so, and why."""

    def __init__(self, allowed: bool, source: str, reason: str) -> None:
        self.allowed = allowed
        self.source = source
        self.reason = reason


class Facts:
    """Everything the rules look at."""

    def __init__(
        self,
        environ: Mapping[str, str],
        where: Storage,
        policy: Policy,
        *,
        informed: bool,
        version: str = "1",
        flag_off: bool = False,
        host_setting: Optional[bool] = None,
        record_in_tests: bool = False,
    ) -> None:
        self.environ = environ
        self.storage = where
        self.policy = policy
        self.informed = informed
        self.version = version
        self.flag_off = flag_off
        self.host_setting = host_setting
        self.record_in_tests = record_in_tests


def read_stamp(where: Storage) -> Optional[Stamp]:
    """The stamp, None where there is none. Raises StorageError where it can't be read: then nobody knows."""
    content = storage.read(where.stamp)
    if content is None:
        return None
    head, _, manifest = content.partition(b"\n\n")
    try:
        fields = dict(line.split(":", 1) for line in head.decode().replace(": ", ":").split("\n"))
        told, date = fields["told"].split()
        stamp = Stamp(
            told,
            date,
            fields["disclosure"],
            manifest,
            default=fields["default"],
            ci=fields["ci"],
            opt_out_env=tuple(fields["opt_out_env"].split()),
            ends=fields["ends"],
        )
    except (ValueError, KeyError) as error:
        raise StorageError(where.stamp, "is not a stamp, so nobody was told") from error
    return stamp


def decide(facts: Facts) -> Decision:
    """The answer of the first rule that has one."""
    for source, rule in RULES:
        reason = ask(rule, facts)
        if reason:
            return Decision(False, source, reason)
    return Decision(True, "default", "nothing says no, and you were told")


def read_choice(path: str) -> str:
    """`on`, `off`, or nothing where there is no such file. Raises StorageError where it says neither."""
    content = storage.read(path)
    if content is None:
        return ""
    choice = next(iter(content.split(None, 1)), b"")
    if choice not in (b"on", b"off"):
        raise StorageError(path, "says neither on nor off, so it counts as off")
    return choice.decode()


def ask(rule: Rule, facts: Facts) -> str:
    """A rule's reason to say no, empty where it has none."""
    try:
        return rule(facts) or ""
    except StorageError as error:
        return str(error)


def _machine(facts: Facts) -> Optional[str]:
    return _choice_says_no(facts.storage.machine_choices)


def _variable(facts: Facts) -> Optional[str]:
    if environment.says_off(facts.environ):
        return f"{environment.SEND} is set and is no yes"
    for name in (environment.DO_NOT_TRACK, *facts.policy.opt_out_env):
        if environment.opts_out(facts.environ, name):
            return f"{name} is set"
    handed = environment.handover(facts.environ)
    return f"{environment.HANDOVER} says off" if handed and handed[2] == "off" else None


def _flag(facts: Facts) -> Optional[str]:
    return "this run was started with the flag that says no" if facts.flag_off else None


def _host(facts: Facts) -> Optional[str]:
    return "the tool's own configuration says no" if facts.host_setting is False else None


def _saved(facts: Facts) -> Optional[str]:
    return _choice_says_no((facts.storage.choice, facts.storage.user_choice))


def _end_date(facts: Facts) -> Optional[str]:
    ends = facts.policy.ends
    if ends and time.strftime("%Y-%m-%d", time.gmtime()) > ends:
        return f"collection ended on {ends}"
    return None


def _ci(facts: Facts) -> Optional[str]:
    vendor = environment.ci_vendor(facts.environ)
    return None if facts.policy.ci == "on" or vendor == "none" else f"this is continuous integration ({vendor})"


def _development(facts: Facts) -> Optional[str]:
    if facts.record_in_tests:
        return None
    runner = environment.test_runner(facts.environ) or ("pytest" if "pytest" in sys.modules else "")
    if runner:
        return f"this is a test run ({runner})"
    version = facts.version.lower()
    if not version or any(word in version for word in DEVELOPMENT):
        return f"{facts.version or 'no version'} is a development version"
    return None


def _unusable(facts: Facts) -> Optional[str]:
    return storage.problem(facts.storage) or None


def _opt_in(facts: Facts) -> Optional[str]:
    if facts.policy.default == "on" or environment.says_yes(facts.environ) or _handed_over(facts):
        return None
    chosen = (facts.storage.choice, facts.storage.user_choice)
    return None if "on" in map(read_choice, chosen) else "it is off until you say yes"


def _informed(facts: Facts) -> Optional[str]:
    if facts.informed or environment.says_yes(facts.environ) or _handed_over(facts):
        return None
    return "you have not been told yet; the notice is shown on a terminal"


def _handed_over(facts: Facts) -> bool:
    """True for who was told, and said yes, where the launcher runs, and about the same manifest.

    A policy that was just parsed has no digest yet; what is decided by it is decided again by the stamp.
    """
    handed = environment.handover(facts.environ)
    return handed is not None and getattr(facts.policy, "disclosure", handed[1]) == handed[1]


def _choice_says_no(paths: tuple[str, ...]) -> Optional[str]:
    return next((f"{path} says off" for path in paths if read_choice(path) == "off"), None)


RULES: tuple[tuple[str, Rule], ...] = (
    ("machine", _machine),
    ("environment", _variable),
    ("flag", _flag),
    ("host", _host),
    ("choice", _saved),
    ("end date", _end_date),
    ("ci", _ci),
    ("development", _development),
    ("storage", _unusable),
    ("opt-in", _opt_in),
    (NOT_INFORMED, _informed),
)
