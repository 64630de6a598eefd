"""First run: what happens when the manifest is new to this installation, once, and so may take its time.

The manifest is parsed; who is at a terminal is told; and what was parsed is kept in the stamp for the runs to come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from cli_analytics import consent, disclosure, environment, manifest, notice, stamp
from cli_analytics.errors import ManifestError
from cli_analytics.stamp import Stamp

if TYPE_CHECKING:
    from cli_analytics.consent import Decision
    from cli_analytics.host import Host
    from cli_analytics.storage import Storage


def stamp_of(path: str, kept: Optional[Stamp], *, tool: str) -> Stamp:
    """The stamp of the manifest in the file `path`, which is not the one that is kept. Raises ManifestError."""
    content = manifest.read(path)
    declared = manifest.parse(content, file=path)
    if declared.tool.name != tool:
        raise ManifestError(f"is {declared.tool.name!r}", key="tool.name", allowed=tool, file=path)
    told, date = (kept.told, kept.date) if kept else (stamp.NOBODY, notice.today())
    policy = declared.policy
    return Stamp(
        told,
        date,
        disclosure.digest(declared),
        content,
        default=policy.default,
        ci=policy.ci,
        opt_out_env=policy.opt_out_env,
        ends=policy.ends,
    )


def notice_text(host: Host, where: Storage) -> str:
    """The notice as it would be shown. Raises ManifestError."""
    return disclosure.notice(manifest.load(host.manifest), commands=host.commands, where=where.choice)


def keep(host: Host, where: Storage, current: Stamp, decision: Decision) -> None:
    """Show the notice if only that was missing; keep the stamp if recording is allowed. Otherwise touch nothing.

    Raises StorageError, ManifestError or OSError.
    """
    terminal = host.stderr
    if decision.source == consent.NOT_INFORMED and terminal is not None and notice.can_show(terminal, host.environ):
        notice.ensure_shown(where, current, notice_text(host, where), terminal)
    elif decision.allowed and not environment.debug(host.environ):
        stamp.write(where, current)
