"""Line protocol, read as its specification has it, and with less patience than a server has.

https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/ . A backslash that escapes nothing, a field that
is no whole number, a tag that is empty, twice there or out of order is an error here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

_FIELD = re.compile(r"-?[0-9]+i")
_NAME = re.compile(r"[^_].*")  # InfluxDB keeps those with an underscore in front for itself
_SECOND = re.compile(r"-?[0-9]{1,10}")


class Point(NamedTuple):
    """One line."""

    measurement: str
    tags: Mapping[str, str]
    fields: Mapping[str, int]
    second: int


def parse(line: str) -> Point:
    """The point of a line. Raises ValueError."""
    series, fields, second = _split(line, " ")
    measurement, *tags = _split(series, ",")
    found = _pairs(tags)
    _check(list(found) == sorted(found), "tags out of order", line)
    _check(all(found.values()), "a tag that is empty", line)
    numbers = _pairs(_split(fields, ","))
    _check(all(map(_FIELD.fullmatch, numbers.values())), "a field that is no whole number", line)
    _check(all(abs(int(value[:-1])) < 2**63 for value in numbers.values()), "a number with more than 64 bits", line)
    _check(not found.keys() & numbers.keys(), "a tag and a field of the same name", line)
    _check(all(map(_NAME.fullmatch, [measurement, *found, *numbers])), "a name that is reserved", line)
    _check("time" not in {*found, *numbers}, "a name that is reserved", line)
    _check(bool(_SECOND.fullmatch(second)) and abs(int(second)) * 10**9 < 2**63, "no time", line)
    _check(line.isprintable() or not re.search(r"[\x00-\x1f]", line), "a control character", line)
    numbers_read = {key: int(value[:-1]) for key, value in numbers.items()}
    return Point(_plain(measurement, ", "), found, numbers_read, int(second))


def _split(text: str, separator: str) -> list[str]:
    """The parts between separators that are not escaped."""
    parts, escaped = [""], False
    for character in text:
        if character == separator and not escaped:
            parts.append("")
        else:
            parts[-1] += character
        escaped = character == "\\" and not escaped
    return parts


def _pairs(parts: list[str]) -> dict[str, str]:
    pairs = [_split(part, "=") for part in parts]
    _check(all(len(pair) == 2 for pair in pairs), "no pair", str(parts))
    found = {_plain(key, ",= "): _plain(value, ",= ") for key, value in pairs}
    _check(len(found) == len(pairs), "a key that is there twice", str(parts))
    return found


def _plain(text: str, escapable: str) -> str:
    """The text without what escapes in it."""
    plain = re.sub(rf"\\([{escapable}])", r"\1", text)
    _check("\\" not in re.sub(rf"\\[{escapable}]", "", text), "a backslash that escapes nothing", text)
    _check(not re.search(rf"(?<!\\)[{escapable}]", text), "something that is not escaped", text)
    return plain


def _check(holds: bool, problem: str, text: str) -> None:
    if not holds:
        raise ValueError(f"{problem}: {text!r}")
