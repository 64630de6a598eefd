"""Nothing but click, which the host has anyway."""

from __future__ import annotations

import click  # noqa: F401
