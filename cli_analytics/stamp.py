"""Stamp: what the user was told, and when.

    told: <digest of the disclosure they were shown, or -> 2026-11-21
    disclosure: <digest of the manifest below>
    default: on                        ┐
    ci: off                            │ the policy of the manifest below, so that a
    opt_out_env: MYTOOL_NO_ANALYTICS   │ recording run needs no TOML parser
    ends: 2028-11-21                   ┘
                                       (an empty line)
    <the manifest, byte for byte>

Informed is whom `told` and `disclosure` agree on. When the manifest's bytes change it is parsed once; only when its
disclosure changed too is the user told again.
"""

from __future__ import annotations

from typing import Optional

from cli_analytics import storage
from cli_analytics.errors import StorageError
from cli_analytics.storage import Storage

NOBODY = "-"  # told to nobody: the stamp of a deployer who said yes by variable only saves the parser


class Stamp:
    """What the user was told, and the policy and the bytes of the manifest it was about.

    A plain class, as all records on the hot path are: to define a NamedTuple
    costs 0.1 ms, ten times as much.
    """

    def __init__(
        self,
        told: str,
        date: str,
        disclosure: str,
        manifest: bytes,
        *,
        default: str,
        ci: str,
        opt_out_env: tuple[str, ...],
        ends: str,
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


def read(where: Storage) -> Optional[Stamp]:
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


def write(where: Storage, stamp: Stamp) -> None:
    """Keep the stamp. Raises StorageError."""
    head = (
        f"told: {stamp.told} {stamp.date}\ndisclosure: {stamp.disclosure}\ndefault: {stamp.default}\nci: {stamp.ci}\n"
        f"opt_out_env: {' '.join(stamp.opt_out_env)}\nends: {stamp.ends}\n\n"
    )
    storage.replace(where.stamp, head.encode() + stamp.manifest)
