"""App: the collector as a raw ASGI callable. https://asgi.readthedocs.io/en/latest/specs/www.html

    POST /v1/{batch,track,page,screen,identify,group,alias}, /v1/{b,t,p,s,i,g,a}    200 {"success": true}: on disk
    GET  /healthz                                                                   200 and what was counted

An event that the manifests do not declare is counted and answered 200: a client would send it again for ever. Nothing
is redirected: clients follow by GET, lose the body and report success.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import msgspec

from cli_analytics.collector import body, record, segment
from cli_analytics.collector.archive import Archive
from cli_analytics.collector.body import Receive
from cli_analytics.collector.record import Record
from cli_analytics.collector.refusal import Refusal
from cli_analytics.errors import ArchiveError, ManifestError
from cli_analytics.event import Event, uuid4
from cli_analytics.gate import check
from cli_analytics.manifest import Manifest

Send = Callable[[dict[str, Any]], Awaitable[None]]

_log = logging.getLogger(__name__)


class Collector:
    """Takes events of the tools in `manifests` and puts them into `archive`. Looks at no peer's address."""

    def __init__(self, manifests: Sequence[Manifest], archive: Archive) -> None:
        self._manifests = _by_tool(manifests)
        self._archive = archive
        self.counts = Counter(archived=0, repeated=0, undeclared=0)

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            return
        try:
            status, content = 200, {"success": True, **await self._answer(scope, receive)}
        except Refusal as refusal:
            status, content = refusal.status, refusal.content()
        await _reply(send, status, content)

    async def _answer(self, scope: Mapping[str, Any], receive: Receive) -> Mapping[str, int]:
        path = scope["path"].rstrip("/")
        if path == "/healthz":
            _check_method(scope, "GET", "HEAD")
            return self.counts
        if path not in segment.PATHS:
            raise Refusal("there is nothing here; events go to /v1/batch", status=404, code="not_found")
        _check_method(scope, "POST")
        headers = dict(scope["headers"])
        content = await body.read(receive, headers)
        self.counts.update(await asyncio.to_thread(self._take, content, path, _write_key(headers)))
        return {}

    def _take(self, content: bytes, path: str, write_key: str | None) -> Mapping[str, int]:
        received = datetime.now(timezone.utc)
        events = [self._record(event, write_key, received) for event in segment.events(content, path)]
        records = [each for each in events if each is not None]
        archived = sum(self._archive_all(records, received))
        return {
            "archived": archived,
            "repeated": len(records) - archived,
            "undeclared": len(events) - len(records),
        }

    def _record(self, sent: Event, write_key: str | None, received: datetime) -> Record | None:
        """The record to archive, or None for an event that is not declared."""
        tool = _tool(sent)
        manifest = self._manifests.get(tool)
        if manifest is None:
            return None
        known = record.moment(sent.get("timestamp")) is not None
        timestamp = sent["timestamp"] if known else record.iso(received)
        event = check({"messageId": uuid4(), **sent, "timestamp": timestamp}, manifest.events).event
        return event and record.build(event, sent, tool, write_key, received)

    def _archive_all(self, records: Sequence[Record], received: datetime) -> Iterable[int]:
        try:
            for tool in {each["projectId"] for each in records}:
                own = [each for each in records if each["projectId"] == tool]
                yield self._archive.append(tool, own, received)
        except ArchiveError as error:
            _log.error("%s", error)
            raise Refusal("can't be archived now; send it again", status=503, code="archive_unavailable") from error


def _by_tool(manifests: Sequence[Manifest]) -> Mapping[str, Manifest]:
    by_tool = {manifest.tool.name: manifest for manifest in manifests}
    if len(by_tool) < len(manifests):
        raise ManifestError("two manifests have the same name", key="tool.name", allowed="one manifest a tool")
    return by_tool


def _tool(event: Event) -> str:
    context = event.get("context")
    app = context.get("app") if isinstance(context, dict) else None
    name = app.get("name") if isinstance(app, dict) else None
    return name if isinstance(name, str) else ""


def _check_method(scope: Mapping[str, Any], *allowed: str) -> None:
    if scope["method"] not in allowed:
        raise Refusal(f"{scope['path']} takes only {' and '.join(allowed)}", status=405, code="method_not_allowed")


def _write_key(headers: Mapping[bytes, bytes]) -> str | None:
    """The user name of Basic authorization, which is Segment's write key."""
    scheme, _, credentials = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        return base64.b64decode(credentials).decode("utf-8").partition(":")[0]
    except ValueError:  # neither base64 nor text
        return None


async def _reply(send: Send, status: int, content: Mapping[str, Any]) -> None:
    encoded = msgspec.json.encode(content)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(encoded)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": encoded})
