"""Part: what a part of the bench hands back. Each measures one kind of cost and fills one section of README.md."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from bench.installation import Installation
from bench.variants import Pair


class Part(NamedTuple):
    """What was measured. `subject` says with what, `runs` is every single run, for --json."""

    subject: str
    text: str
    runs: dict[str, Any]


def subject(found: Installation, packages: Iterable[str]) -> str:
    """The interpreter, and the versions of those of the packages that are there."""
    versions = "".join(f"; {name} {found.packages[name]}" for name in packages if name in found.packages)
    build = "with" if found.optimized else "without"
    return f"CPython {found.version}, configured {build} `--enable-optimizations`{versions}"


def plain(pair: Pair) -> dict[str, object]:
    """A pair of runs as JSON has it."""
    return {"bare": pair.bare._asdict(), "run": pair.run._asdict()}
