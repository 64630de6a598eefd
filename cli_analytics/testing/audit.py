"""Audit: what a process does through us, seen from inside it. Nothing but trial.py uses it.

What the host itself opens is its own business. We are on the stack while the host works, too, where an integration
passes a call on; so of what lies in integrations/ only what it does itself or has Python do counts. Reading is no act.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Optional

from cli_analytics.client import Analytics

if TYPE_CHECKING:
    from types import FrameType

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
_ACTS = (
    *("socket.", "_thread.start", "subprocess.Popen", "fcntl.", "tempfile.", "shutil.", "syslog."),
    *("os.fork", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.startfile"),
    *("os.mkdir", "os.rename", "os.link", "os.symlink", "os.remove", "os.rmdir", "os.truncate", "os.utime"),
    *("os.chmod", "os.chown"),
)
_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_PYTHONS = os.path.dirname(os.__file__) + os.sep
_INTEGRATIONS = _OURS + "integrations" + os.sep


def watch(acts: str, *, hides: str) -> None:
    """Write what is done through us from now on into the file `acts`; development versions record as releases do.

    Called by the sitecustomize.py in the folder `hides`, which hides another one.
    """
    Analytics.record_in_tests = property(lambda _: True, lambda _, __: None)  # type: ignore[assignment]
    _run_hidden(hides)

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if _is_act(event, arguments) and arguments[:1] != (acts,) and _is_ours(sys._getframe(1)):
            _append(acts, " ".join([event, *map(str, arguments[:1])]))

    _append(acts, "")
    sys.addaudithook(note)
    if sys.version_info < (3, 12):
        _announce_threads()


def _is_act(event: str, arguments: tuple[Any, ...]) -> bool:
    """True for all but reading."""
    if event == "open":
        return isinstance(arguments[2], int) and bool(arguments[2] & _WRITES)
    return event.startswith(_ACTS)


def _is_ours(frame: Optional[FrameType]) -> bool:
    """True where a function of ours does it, or has it done by somebody else's."""
    while frame is not None and _passes_on(frame.f_code.co_filename):
        frame = frame.f_back
    if frame is not None and frame.f_code.co_filename.startswith(_INTEGRATIONS):
        return True
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith(_OURS) and not path.startswith(_INTEGRATIONS):
            return True
        frame = frame.f_back
    return False


def _passes_on(path: str) -> bool:
    """True for Python itself, and for what stands in for a part of it here."""
    return (path.startswith((_PYTHONS, "<frozen ")) and "-packages" not in path) or path == __file__


def _announce_threads() -> None:
    """Before 3.12 Python itself raises no event for a thread."""
    import _thread
    import threading

    start = _thread.start_new_thread

    def announce(function: Any, *arguments: Any) -> int:
        sys.audit("_thread.start_new_thread", function)
        return start(function, *arguments)

    _thread.start_new_thread = threading._start_new_thread = announce  # type: ignore[attr-defined]


def _append(path: str, line: str) -> None:
    """One line, on no descriptor that the host could close or take over."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, f"{line}\n".encode(errors="replace"))
    finally:
        os.close(descriptor)


def _run_hidden(folder: str) -> None:
    """Run the sitecustomize.py that the one in `folder` hides, such as a distribution's or that of a coverage tool."""
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    spec = PathFinder.find_spec("sitecustomize", [path for path in sys.path if path != folder])
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(module_from_spec(spec))
