"""Memory: the messageIds that are on disk, so that a batch that is sent again is not archived again.

It is bounded and does not outlive the process: what it has forgotten is archived twice, and the warehouse, which sees
the whole archive, takes the first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

MAX_IDS = 200_000  # about 25 MB; senders retry within hours


class Memory:
    """The last ids that were added; the oldest are forgotten."""

    def __init__(self, max_ids: int = MAX_IDS) -> None:
        self._max_ids = max_ids
        self._ids: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, message_id: str) -> bool:
        return message_id in self._ids

    def add(self, message_ids: Iterable[str]) -> None:
        """Remembers the ids, in their order."""
        self._ids.update(dict.fromkeys(message_ids))
        while len(self._ids) > self._max_ids:
            self._ids.popitem(last=False)
