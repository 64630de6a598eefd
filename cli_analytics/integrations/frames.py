"""Frames: take ours out of tracebacks, so that a host's user sees what they would see without us."""

from __future__ import annotations

import os
import sys
from typing import Optional

_OURS = os.path.dirname(__file__) + os.sep


def hide(error: BaseException) -> None:
    """Take our frames out of the traceback of an error and of those it came from.

    Where it is called, inside the `with` of a context, the first frame is always one of click's.
    """
    seen: set[int] = set()
    pending: list[Optional[BaseException]] = [error]
    while pending:
        item = pending.pop()
        if item is not None and id(item) not in seen:
            seen.add(id(item))
            pending += [item.__cause__, item.__context__]
            _hide(item)


def hide_active() -> None:
    """The same for the error that is being handled, if one is."""
    error = sys.exc_info()[1]
    if error is not None:
        hide(error)


def _hide(error: BaseException) -> None:
    trace = error.__traceback__
    while trace is not None:
        while trace.tb_next is not None and trace.tb_next.tb_frame.f_code.co_filename.startswith(_OURS):
            trace.tb_next = trace.tb_next.tb_next
        trace = trace.tb_next
