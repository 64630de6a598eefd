"""Table: how figures are written, and where the tables of README.md stand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

README = Path(__file__).with_name("README.md")


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column is text and whose others are figures."""
    lines = [f"| {' | '.join(header)} |", f"|---{'|--:' * (len(header) - 1)}|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def number(value: float) -> str:
    """Three digits that count, more or less."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def signed(value: float) -> str:
    """A difference."""
    return f"{value:+.1f}" if abs(value) < 100 else f"{value:+.0f}"


def write(readme: Path, section: str, text: str) -> None:
    """Replace what stands between `<!-- section -->` and `<!-- /section -->`. Raises ValueError."""
    start, end = f"<!-- {section} -->", f"<!-- /{section} -->"
    content = readme.read_text(encoding="utf-8")
    if start not in content or end not in content:
        raise ValueError(f"{readme} has no section {start} … {end}")
    pattern = re.compile(re.escape(start) + ".*?" + re.escape(end), re.DOTALL)
    readme.write_text(pattern.sub(lambda _: f"{start}\n\n{text}\n\n{end}", content), encoding="utf-8")
