"""Everything that is raised on purpose.

    CliAnalyticsError
    ├── ManifestError      analytics.toml can't be read, or says something it may not say
    ├── UndeclaredError    an event, a property or a value that the manifest does not declare
    ├── SinkError          a sink, which may be somebody else's, that makes no requests of events
    └── ArchiveError       an archive that can't be read or written

    StorageError           a file of ours is there but can't be used: storage.py, for a recording run imports only that

None of them reaches a host: the door in client.py swallows them and says so under CLI_ANALYTICS_DEBUG.
"""

from __future__ import annotations


class CliAnalyticsError(Exception):
    """Base of all errors of this package."""


class ManifestError(CliAnalyticsError):
    """What is wrong in a manifest, where, and what would be allowed."""

    def __init__(self, problem: str, *, key: str = "", allowed: str = "", file: str = "") -> None:
        super().__init__(problem, key, allowed, file)
        self.problem = problem
        self.key = key
        self.allowed = allowed
        self.file = file

    def within(self, key: str) -> ManifestError:
        """The same error, seen from the table that holds `key`."""
        return ManifestError(
            self.problem,
            key=f"{key}.{self.key}" if self.key else key,
            allowed=self.allowed,
            file=self.file,
        )

    def __str__(self) -> str:
        where = ": ".join(part for part in (self.file, self.key) if part)
        allowed = f" Allowed: {self.allowed}." if self.allowed else ""
        return f"{where}: {self.problem}.{allowed}" if where else f"{self.problem}.{allowed}"


class UndeclaredError(CliAnalyticsError):
    """Something that the manifest does not declare, so it does not leave."""


class SinkError(CliAnalyticsError):
    """A sink that raised something, or returned what can't be carried."""


class ArchiveError(CliAnalyticsError):
    """An archive that holds no events, or whose files can't be read or written."""
