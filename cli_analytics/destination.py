"""Destination: where do events go? One `[[sinks]]` table of the manifest, checked.

    segment    write_key, region?              https://api.segment.io, or eu: https://events.eu1.segmentapis.com
    ga4        measurement_id, api_secret, region?     https://www.google-analytics.com, or eu: https://region1.…
    universal  tracking_id, endpoint           there is no default: Google itself switched it off
    influxdb   org, bucket, token, endpoint
    file       path                            a folder on this machine; absolute, or from ~/ on
    console                                    nowhere: for debugging

Any other type is a sink of the maintainer's own: the entry point of that name in the group `cli_analytics.sinks`, which
is looked up where it is used, for who reads the manifest elsewhere has not installed it. Its keys are texts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import NamedTuple

from cli_analytics.errors import ManifestError
from cli_analytics.table import Table, only, text, within

_PORT_AND_PATH = r"(:(?P<port>[0-9]{1,5}))?(/[^\s?#]*)?"
_BYTE = r"(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
HTTPS = re.compile(rf"https://(\w[\w.-]*|\[[0-9A-Fa-f:.]+\]){_PORT_AND_PATH}")
LOOPBACK = re.compile(rf"http://(127(\.{_BYTE}){{3}}|localhost|\[::1\]){_PORT_AND_PATH}")
MAX_PORT = 65_535
TYPE = re.compile(r"[a-z][a-z0-9_-]{0,39}")


class Keys(NamedTuple):
    """The keys of a type of sink besides `endpoint`, and its own endpoint in each region that it has."""

    required: tuple[str, ...] = ()
    endpoints: Mapping[str, str] = {}  # by region; the one without a name is the default
    is_remote: bool = True


KEYS: Mapping[str, Keys] = {
    "segment": Keys(("write_key",), {"": "https://api.segment.io", "eu": "https://events.eu1.segmentapis.com"}),
    "ga4": Keys(
        ("measurement_id", "api_secret"),
        {"": "https://www.google-analytics.com", "eu": "https://region1.google-analytics.com"},
    ),
    "universal": Keys(("tracking_id",)),
    "influxdb": Keys(("org", "bucket", "token")),
    "file": Keys(("path",), is_remote=False),
    "console": Keys((), is_remote=False),
}


class SinkConfig(NamedTuple):
    """One `[[sinks]]` table: its type, where it sends to (empty: nowhere over a network), and its other keys."""

    type: str
    endpoint: str
    settings: Mapping[str, str]

    @property
    def key(self) -> str:
        """A name for what waits for this sink, in folders: another for any other place or key."""
        import hashlib

        parts = (self.type, self.endpoint, *(f"{name}={self.settings[name]}" for name in sorted(self.settings)))
        return f"{self.type}-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:12]}"

    @property
    def recipient(self) -> str:
        """Whom a user is told of."""
        if self.endpoint:
            return f"{self.type} at {self.endpoint.split('://', 1)[1].split('/', 1)[0]}"
        return f"{self.type} in {self.settings['path']}" if "path" in self.settings else self.type


def parse(table: Table) -> SinkConfig:
    """A `[[sinks]]` table. Raises ManifestError."""
    kind = text(table, "type", required=True)
    if not TYPE.fullmatch(kind):
        raise ManifestError(f"{kind!r} is no sink", key="type", allowed=", ".join(KEYS))
    if kind not in KEYS:
        return _own(kind, table)
    keys = KEYS[kind]
    regions = [region for region in keys.endpoints if region]
    only(table, {"type", *keys.required, *(["endpoint"] if keys.is_remote else []), *(["region"] if regions else [])})
    settings = {key: text(table, key, required=True) for key in sorted(keys.required)}
    if "path" in settings:
        within("path", _check_path, settings["path"])
    region = text(table, "region")
    if region and region not in regions:
        raise ManifestError(f"is {region!r}", key="region", allowed=", ".join(regions))
    endpoint = text(table, "endpoint", required=keys.is_remote and not keys.endpoints) or keys.endpoints.get(region, "")
    return SinkConfig(kind, within("endpoint", check_endpoint, endpoint) if endpoint else "", settings)


def check_endpoint(value: str) -> str:
    """`value` without a trailing slash. Raises ManifestError for anything but https, or http on loopback."""
    found = HTTPS.fullmatch(value) or LOOPBACK.fullmatch(value)
    if found is None or int(found["port"] or 0) > MAX_PORT:
        problem = "is no address of a server" if value.startswith("https://") else "would send in the clear"
        raise ManifestError(f"{value!r} {problem}", allowed="https://<host>/<path>, or http:// on loopback")
    return value.rstrip("/")


def _own(kind: str, table: Table) -> SinkConfig:
    settings = {key: text(table, key) for key in sorted(table) if key not in ("type", "endpoint")}
    endpoint = text(table, "endpoint")
    return SinkConfig(kind, within("endpoint", check_endpoint, endpoint) if endpoint else "", settings)


def _check_path(value: str) -> None:
    if not os.path.isabs(value) and not value.startswith("~/"):
        raise ManifestError(f"{value!r} depends on where the tool is started", allowed="/a/folder or ~/a/folder")
