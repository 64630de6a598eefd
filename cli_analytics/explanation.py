"""Explanation: why is it on or off? Every source in the order of consent's rules, what it looked at, and which one won.

{"source": "environment", "says_no": "DO_NOT_TRACK is set",
 "looked_at": [{"where": "variable SEND_ANONYMOUS_USAGE_INFO", "value": null},
               {"where": "variable DO_NOT_TRACK", "value": "1"}]}
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Optional

from cli_analytics import consent, detection, environment, notice, storage
from cli_analytics.consent import Decision, Facts
from cli_analytics.storage import StorageError

Found = tuple[str, Optional[str]]  # where it was looked for, and what was found there


def explain(facts: Facts, decision: Decision) -> list[dict[str, Any]]:
    """All sources, in order. `decision` says which of them won."""
    return [
        {
            "source": source,
            "says_no": consent.ask(rule, facts),
            "decided": source == decision.source,
            "looked_at": [{"where": where, "value": value} for where, value in _LOOKED_AT[source](facts)],
        }
        for source, rule in consent.RULES
    ]


def _files(paths: tuple[str, ...]) -> list[Found]:
    return [(path, _content(path)) for path in paths]


def _content(path: str) -> Optional[str]:
    """The first words of a file, None where there is none."""
    try:
        found = storage.read(path)
    except StorageError as error:
        return f"can't be read: {error.problem}"
    return None if found is None else " ".join(found[:80].decode("utf-8", "backslashreplace").split())


def _variables(facts: Facts, *names: str) -> list[Found]:
    return [(f"variable {name}", facts.environ.get(name)) for name in names]


def _environment(facts: Facts) -> list[Found]:
    names = (environment.SEND, environment.DO_NOT_TRACK, *facts.policy.opt_out_env, environment.HANDOVER)
    return _variables(facts, *names)


def _flag(facts: Facts) -> list[Found]:
    return [("this run", "the flag was given" if facts.flag_off else None)]


def _host(facts: Facts) -> list[Found]:
    said = {None: None, True: "yes", False: "no"}[facts.host_setting]
    return [("the tool's own configuration", said)]


def _end_date(facts: Facts) -> list[Found]:
    return [("manifest policy.ends", facts.policy.ends or None)]


def _ci(facts: Facts) -> list[Found]:
    names = sorted(name for name in detection.CI_NAMES if facts.environ.get(name))
    return [*_variables(facts, *names), ("manifest policy.ci", facts.policy.ci)]


def _development(facts: Facts) -> list[Found]:
    runner = environment.test_runner(facts.environ)
    running = [("module pytest", "imported")] if "pytest" in sys.modules else []
    return [("version", facts.version), *(_variables(facts, runner) if runner else []), *running]


def _folders(facts: Facts) -> list[Found]:
    problem = storage.problem(facts.storage)
    return [(facts.storage.config, problem or "usable"), (facts.storage.state, problem or "usable")]


def _opt_in(facts: Facts) -> list[Found]:
    return [("manifest policy.default", facts.policy.default), *_choices(facts)]


def _choices(facts: Facts) -> list[Found]:
    return _files((facts.storage.choice, facts.storage.user_choice))


def _told(facts: Facts) -> list[Found]:
    date = getattr(facts.policy, "date", "") if facts.informed else ""
    withheld = "" if date else notice.withheld(facts.environ)
    return [
        (facts.storage.stamp, f"told on {date}" if date else None),
        *([("the notice", withheld)] if withheld else []),
    ]


_LOOKED_AT: dict[str, Callable[[Facts], list[Found]]] = {
    "machine": lambda facts: _files(facts.storage.machine_choices),
    "environment": _environment,
    "flag": _flag,
    "host": _host,
    "choice": _choices,
    "end date": _end_date,
    "ci": _ci,
    "development": _development,
    "storage": _folders,
    "opt-in": _opt_in,
    consent.NOT_INFORMED: _told,
}
