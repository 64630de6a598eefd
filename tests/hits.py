"""Hits: the Measurement Protocol of Universal Analytics, read as its reference and the last to take it have it.

https://developers.google.com/analytics/devguides/collection/protocol/v1/reference and Snowplow's adapter, which takes
neither a boolean but 0 and 1 nor a whole number of more than 31 bits, and with one such hit refuses all of a request.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

BOOLEAN = {"aip", "ni"}
WHOLE = {"ev", "qt", "cm1"}
MAX_BYTES = {"ec": 150, "ea": 500, "el": 500, "an": 100, "av": 100, "ul": 20, **{f"cd{n}": 150 for n in range(1, 6)}}
REQUIRED = {"v", "tid", "cid", "t", "ec", "ea"}
_ESCAPED = re.compile(rb"([A-Za-z0-9._~-]+=([A-Za-z0-9._~-]|%[0-9A-F]{2})+&?)+")


def parse(hit: bytes) -> dict[str, str]:
    """The parameters of a hit of the type event. Raises ValueError."""
    _check(len(hit) <= 8192, "more than 8 KB", hit)
    _check(bool(_ESCAPED.fullmatch(hit)), "something that is not escaped, or empty", hit)
    pairs = parse_qsl(hit.decode(), keep_blank_values=True, strict_parsing=True, errors="strict")
    found = dict(pairs)
    _check(len(found) == len(pairs), "a parameter that is there twice", hit)
    _check(found.keys() >= REQUIRED and found["t"] == "event" and found["v"] == "1", "no event", hit)
    _check(all(found[key] in ("0", "1") for key in BOOLEAN & found.keys()), "no boolean", hit)
    _check(all(_is_whole(found[key]) for key in WHOLE & found.keys()), "no whole number", hit)
    _check(all(len(found.get(key, "").encode()) <= most for key, most in MAX_BYTES.items()), "too long", hit)
    return found


def split(body: bytes) -> list[dict[str, str]]:
    """The hits of a body. Raises ValueError."""
    lines = body.split(b"\n")
    _check(len(lines) <= 20 and len(body) <= 16 * 1024, "too many", body)
    return [parse(line) for line in lines]


def _is_whole(text: str) -> bool:
    return bool(re.fullmatch(r"[0-9]{1,10}", text)) and int(text) < 2**31


def _check(holds: bool, problem: str, hit: bytes) -> None:
    if not holds:
        raise ValueError(f"{problem}: {hit!r}")
