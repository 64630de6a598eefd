"""First run: what happens when the manifest is new to this installation, once, and so may take its time.

The manifest is parsed; who is at a terminal is told; and what was parsed is kept in the stamp for the runs to come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from cli_analytics import consent, destination, environment, manifest, notice, storage
from cli_analytics.consent import Decision, Stamp
from cli_analytics.errors import ManifestError
from cli_analytics.manifest import Manifest

if TYPE_CHECKING:
    from cli_analytics.host import Host
    from cli_analytics.storage import Storage


def decide(host: Host, where: Storage, kept: Optional[Stamp]) -> Decision:
    """The decision of a host whose manifest is new or whose user was not told; `kept` is the stamp so far, if any.

    Shows the notice if only that was missing, and keeps the stamp where there is a reason to; a user who says no leaves
    nothing. Raises StorageError, ManifestError or OSError.
    """
    content, declared = _declared(host)
    decision = consent.decide(host.facts(where, declared.policy, informed=True))
    if not decision.allowed:
        return decision
    current = _stamp_of(content, declared, kept)
    decision = consent.decide(host.facts(where, current, informed=current.informed))
    terminal = host.stderr
    if not decision.allowed and decision.source != consent.NOT_INFORMED:
        return decision  # only now it is known that a yes was handed over for another manifest
    if not decision.allowed and terminal is not None and notice.can_show(terminal, host.environ):
        notice.ensure_shown(where, current, notice_text(host, where, declared), terminal)
    elif not environment.debug(host.environ) and (decision.allowed or kept) and _is_new(current, kept):
        _keep(where, current)  # who says no by a hand-over of another manifest gets no file
    return decision


def _is_new(current: Stamp, kept: Optional[Stamp]) -> bool:
    return kept is None or kept.manifest != current.manifest


def _keep(where: Storage, current: Stamp) -> None:
    """For the runs to come; who writes into a launcher's spool may have no other folder."""
    if not (where.is_mounted and storage.problem(where, where.state)):
        notice.write_stamp(where, current)


def deployers_line(host: Host) -> str:
    """What is said in a container whose yes is a variable, which its image may have brought along unseen."""
    tool = manifest.load(host.manifest).tool
    about = f" About it: {tool.page}" if tool.page else ""
    said = f"{tool.name} sends pseudonymous usage data to {tool.controller}, because {environment.SEND} says yes."
    return f"{said}{about}"


def current_stamp(host: Host, where: Storage) -> Stamp:
    """What the user was told, beside what the manifest says now. Raises StorageError or ManifestError."""
    content, declared = _declared(host)
    return _stamp_of(content, declared, consent.read_stamp(where))


def _stamp_of(content: bytes, declared: Manifest, kept: Optional[Stamp]) -> Stamp:
    """The stamp of a manifest, for the user of whom `kept` says what they were told."""
    from cli_analytics import disclosure

    told, date = (kept.told, kept.date) if kept else (consent.NOBODY, notice.today())
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


def notice_text(host: Host, where: Storage, declared: Manifest) -> str:
    """The notice as it would be shown."""
    from cli_analytics import disclosure

    sinks = manifest.destinations(declared, host.environ)
    return disclosure.notice(declared, sinks, commands=host.commands, where=where.choice)


def _declared(host: Host) -> tuple[bytes, Manifest]:
    """The manifest and its bytes, read once: a stamp must not vouch for bytes that nobody has parsed."""
    content = manifest.read(host.manifest)
    declared = manifest.parse(content, file=host.manifest)
    if declared.tool.name != host.tool:
        raise ManifestError(f"is {declared.tool.name!r}", key="tool.name", allowed=host.tool, file=host.manifest)
    for sink in declared.sinks:
        if sink.type not in destination.KEYS:
            from cli_analytics import sinks

            sinks.find(sink.type)  # a misspelt one is an error of the manifest like any other
    return content, declared
