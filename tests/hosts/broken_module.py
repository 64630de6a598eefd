"""A module that can't be imported."""

from __future__ import annotations

raise ImportError("no such backend: secret")
