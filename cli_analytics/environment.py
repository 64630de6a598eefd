"""Every environment variable that is read, and what counts as yes, no and no opinion.

    SEND_ANONYMOUS_USAGE_INFO   unset or empty: none · 1 true yes on y t: yes · anything else, typos included: off
    DO_NOT_TRACK and the        unset, empty, 0 false no off n f: none · anything else: off
    names in policy.opt_out_env
    CLI_ANALYTICS_HANDOVER      1:<client id>:<disclosure digest>:<on|off>, from a launcher · anything else: off
    CLI_ANALYTICS_SPOOL         the folder in a container at which that launcher has mounted a spool

Values are compared in lower case with surrounding spaces stripped. The table of vectors that this file and the shell
library both pass is tests/data/optout.tsv.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Optional

from cli_analytics import detection

SEND = "SEND_ANONYMOUS_USAGE_INFO"
DO_NOT_TRACK = "DO_NOT_TRACK"
DEBUG = "CLI_ANALYTICS_DEBUG"
ENDPOINT = "CLI_ANALYTICS_ENDPOINT"
HANDOVER = "CLI_ANALYTICS_HANDOVER"
SPOOL = "CLI_ANALYTICS_SPOOL"

BLANKS = " \t\n"  # which are stripped, and no others: those that a shell splits words at
YES = frozenset({"1", "true", "yes", "on", "y", "t"})
NO = frozenset({"0", "false", "no", "off", "n", "f"})

# Variables that only test runners set. pytest's reaches the processes that a test starts.
TEST_RUNNERS = ("PYTEST_CURRENT_TEST", "TOX_ENV_NAME", "NOX_CURRENT_SESSION")


def says_off(environ: Mapping[str, str]) -> bool:
    """True when SEND_ANONYMOUS_USAGE_INFO opts out: set to anything that is not a yes."""
    value = environ.get(SEND, "").strip(BLANKS).lower()
    return bool(value) and value not in YES


def says_yes(environ: Mapping[str, str]) -> bool:
    """True when SEND_ANONYMOUS_USAGE_INFO is an explicit yes: whoever set it knows."""
    return environ.get(SEND, "").strip(BLANKS).lower() in YES


def opts_out(environ: Mapping[str, str], name: str) -> bool:
    """True when the variable `name`, read like DO_NOT_TRACK, opts out."""
    value = environ.get(name, "").strip(BLANKS).lower()
    return bool(value) and value not in NO


def handover(environ: Mapping[str, str]) -> Optional[tuple[str, str, str]]:
    """What a launcher hands over: client id, digest of what the user was told, and `on` or `off`; None without one."""
    value = environ.get(HANDOVER, "").strip(BLANKS)
    if not value:
        return None
    parts = value.split(":")
    is_valid = len(parts) == 4 and parts[0] == "1" and is_client_id(parts[1]) and parts[2] and parts[3] in ("on", "off")
    return (parts[1], parts[2], parts[3]) if is_valid else ("", "", "off")


def is_client_id(text: str) -> bool:
    """True for a UUID in its usual form, in lower case."""
    digits = text.replace("-", "")
    return len(text) == 36 and text[8:24:5] == "----" and len(digits) == 32 and not digits.strip("0123456789abcdef")


def debug(environ: Mapping[str, str]) -> bool:
    """True when the user asked to be shown what would be sent."""
    return opts_out(environ, DEBUG)


def ci_vendor(environ: Mapping[str, str]) -> str:
    """The CI service this runs on, `other` for an unknown one, `none` outside of CI."""
    present = {name for name in detection.CI_NAMES.intersection(environ) if environ[name]}
    if not present or environ.get("CI", "").strip(BLANKS).lower() == "false":
        return "none"
    return next((vendor for name, vendor in detection.CI_VENDORS.items() if name in present), "other")


def agent(environ: Mapping[str, str]) -> str:
    """The variable that gives a coding agent away, or an empty string."""
    return next((name for name in detection.AGENTS if environ.get(name)), "")


def container(environ: Mapping[str, str], *, root: str = "") -> str:
    """The kind of container this runs in, `none` outside of one. Its files are below `root`."""
    for sort, sign, kind in detection.CONTAINERS:
        if sort == "variable":
            is_there = bool(environ.get(sign))
        elif sort == "file":
            is_there = os.path.exists(root + sign)
        else:
            is_there = hasattr(os, "uname") and os.uname().nodename == sign
        if is_there:
            return kind
    return "none"


def test_runner(environ: Mapping[str, str]) -> str:
    """The variable that gives a test run away, or an empty string."""
    return next((name for name in TEST_RUNNERS if environ.get(name)), "")
