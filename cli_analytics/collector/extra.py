"""Extra: what the collector needs comes with `cli-analytics[collector]`; who hasn't got it is told so."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from cli_analytics.errors import CliAnalyticsError


@contextlib.contextmanager
def required() -> Iterator[None]:
    """Around imports: makes a missing package a CliAnalyticsError that says what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise CliAnalyticsError(f"{error}. The collector needs: pip install 'cli-analytics[collector]'") from error
