"""Refusal: a request that is not taken, and the answer that says why.

Segment's codes where it has one. The answer always carries `code` and `message`: clients that look for them send the
batch again and again when they are missing.
"""

from __future__ import annotations

from typing import Any

from cli_analytics.errors import CliAnalyticsError


class Refusal(CliAnalyticsError):
    """Ends a request with `status` and `message`. A client keeps what got a 5xx and drops what got a 4xx."""

    def __init__(self, message: str, *, status: int = 400, code: str = "invalid_request") -> None:
        super().__init__(message, status, code)
        self.message = message
        self.status = status
        self.code = code

    def content(self) -> dict[str, Any]:
        """What the client is told."""
        return {"success": False, "code": self.code, "message": self.message}

    def __str__(self) -> str:
        return self.message
