"""Click, and cli-analytics beside it."""

from __future__ import annotations

import click  # noqa: F401

import cli_analytics  # noqa: F401
