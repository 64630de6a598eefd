"""Endings: how did a command end that did not simply return?

ok            it returned, or exited with 0
error         it failed, or exited with anything else
usage_error   it was called wrongly
aborted       the user stopped it
broken_pipe   who read its output had enough, as in `tool | head`
"""

from __future__ import annotations

import errno
from typing import Optional

import click
from click.exceptions import Exit

INTERRUPTED = 128 + 2  # what a shell reports of a process that SIGINT ended

_NO_ARGS_IS_HELP = getattr(click.exceptions, "NoArgsIsHelpError", ())  # since click 8.2

Ending = tuple[
    str, int, str
]  # the outcome, the exit status of the process, the class of the exception (empty: an exit)


def judge(error: Optional[BaseException], *, under_click: bool = True) -> Ending:
    """How a command ended that raised `error`, or nothing. Click turns an interrupt into status 1."""
    if error is None:
        return "ok", 0, ""
    name = type(error).__name__
    if isinstance(error, SystemExit):
        return _exited(error.code)
    if isinstance(error, KeyboardInterrupt):
        return "aborted", 1 if under_click else INTERRUPTED, name
    if under_click and isinstance(error, Exit):
        return _exited(error.exit_code)
    if under_click and isinstance(error, (click.Abort, EOFError)):
        return "aborted", 1, name
    if under_click and isinstance(error, click.ClickException):
        status = _exited(error.exit_code)[1]
        return "usage_error" if isinstance(error, click.UsageError) else "error", status, name
    if isinstance(error, OSError) and error.errno == errno.EPIPE:
        return "broken_pipe", 1, name
    return "error", 1, name


def was_answered(error: BaseException) -> bool:
    """True when parsing ended with an answer and no command was run: --help, --version and the like."""
    return isinstance(error, _NO_ARGS_IS_HELP) or judge(error)[0] == "ok"


def _exited(code: object) -> Ending:
    """sys.exit takes a status, None for 0, or a message for 1; the system keeps eight bits of a status."""
    if not isinstance(code, int):
        code = 0 if code is None else 1
    status = code & 0xFF
    return ("error" if status else "ok"), status, ""
