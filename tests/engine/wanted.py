"""Wanted: what containers are promised and do not yet get; a mark that is no longer true fails its test."""

from __future__ import annotations

import pytest

flush = pytest.mark.xfail(
    strict=True, reason="the sender is killed with the container: a run that ends it has to flush for up to 500 ms"
)
passing_storage = pytest.mark.xfail(
    strict=True, reason="a deployer's yes keeps its state in the image's files, not in the container's memory"
)
ephemeral = pytest.mark.xfail(strict=True, reason="no event says that its id was born in this container")
