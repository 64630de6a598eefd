"""App: the collector as a raw ASGI callable. https://asgi.readthedocs.io/en/latest/specs/www.html

    POST /v1/{batch,track,page,screen,identify,group,alias}, /v1/{b,t,p,s,i,g,a}    200 {"success": true}
    POST /mp/collect                                            Google Analytics 4: 204
    POST /debug/mp/collect                                      200 and what is wrong in it; nothing is archived
    GET, POST /collect; POST /batch, /com.google.analytics/v1   Universal Analytics: 200 and a picture
    GET  /healthz                                               200 and what was counted

These answers mean: on disk. An event that the manifests do not declare is counted and answered alike: a client would
send it again for ever. A Segment client is told why a request is not taken; Google's services answer every request
alike, and hosts that were written for them may break over another answer, so there it is only counted, as `refused`.
What can't be archived now is answered 503 everywhere. Nothing is redirected: clients follow by GET, lose the body and
report success.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from cli_analytics.collector import body, ga4, ga4_validation, record, segment, tools, universal, values
from cli_analytics.collector.archive import Archive
from cli_analytics.collector.body import Receive
from cli_analytics.collector.protocol import Answer, Call, Protocol
from cli_analytics.collector.record import Record
from cli_analytics.collector.refusal import Refusal
from cli_analytics.collector.tools import Tools
from cli_analytics.errors import ArchiveError
from cli_analytics.event import Event, uuid4
from cli_analytics.gate import check
from cli_analytics.manifest import Manifest

Send = Callable[[dict[str, Any]], Awaitable[None]]

PROTOCOLS: Mapping[str, Protocol] = {**segment.PROTOCOLS, **ga4.PROTOCOLS, **universal.PROTOCOLS}

_log = logging.getLogger(__name__)


class Collector:
    """Takes events of the tools in `manifests` and puts them into `archive`. Looks at no peer's address."""

    def __init__(self, manifests: Sequence[Manifest], archive: Archive) -> None:
        self._tools = Tools(manifests)
        self._archive = archive
        self.counts = Counter(archived=0, repeated=0, undeclared=0, refused=0)

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            return
        try:
            answer = await self._answer(scope, receive)
        except Refusal as refusal:
            answer = Answer.of(refusal.content(), refusal.status)
        await _reply(send, answer)

    async def _answer(self, scope: Mapping[str, Any], receive: Receive) -> Answer:
        path = scope["path"].rstrip("/")
        if path == "/healthz":
            _check_method(scope, "GET", "HEAD")
            return Answer.of({"success": True, **self.counts})
        if path == ga4_validation.PATH:
            _check_method(scope, "POST")
            content = await body.read(receive, dict(scope["headers"]))
            return Answer.of({"validationMessages": ga4_validation.messages(content, scope["query_string"])})
        if path not in PROTOCOLS:
            raise Refusal("there is nothing here; events go to /v1/batch", status=404, code="not_found")
        _check_method(scope, *PROTOCOLS[path].methods)
        return await self._taken(PROTOCOLS[path], path, scope, receive)

    async def _taken(self, protocol: Protocol, path: str, scope: Mapping[str, Any], receive: Receive) -> Answer:
        headers = dict(scope["headers"])
        try:
            content = await body.read(receive, headers)
            call = Call(path, scope["query_string"], content, _user(headers), datetime.now(timezone.utc))
            self.counts.update(await asyncio.to_thread(self._take, protocol, call))
        except Refusal as refusal:
            if refusal.status >= 500:
                raise
            self.counts["refused"] += 1
            if protocol.says_why:
                raise
        return protocol.taken

    def _take(self, protocol: Protocol, call: Call) -> Mapping[str, int]:
        events = [self._record(event, protocol, call.received) for event in protocol.events(call)]
        records = [each for each in events if each is not None]
        archived = sum(self._archive_all(records, call.received))
        return {
            "archived": archived,
            "repeated": len(records) - archived,
            "undeclared": len(events) - len(records),
        }

    def _record(self, sent: Event, protocol: Protocol, received: datetime) -> Record | None:
        """The record to archive, or None for an event that is not declared."""
        manifest = self._tools.of(sent, protocol.sink)
        if manifest is None:
            return None
        tool = manifest.tool.name
        known = record.moment(sent.get("timestamp")) is not None
        timestamp = sent["timestamp"] if known else record.iso(received)
        whole = {"messageId": uuid4(), **tools.named(sent, tool), "timestamp": timestamp}
        event = check(values.restored(whole, manifest.events) if protocol.is_text else whole, manifest.events).event
        return event and record.build(event, sent, tool, received)

    def _archive_all(self, records: Sequence[Record], received: datetime) -> Iterable[int]:
        try:
            for tool in {each["projectId"] for each in records}:
                own = [each for each in records if each["projectId"] == tool]
                yield self._archive.append(tool, own, received)
        except ArchiveError as error:
            _log.error("%s", error)
            raise Refusal("can't be archived now; send it again", status=503, code="archive_unavailable") from error


def _check_method(scope: Mapping[str, Any], *allowed: str) -> None:
    if scope["method"] not in allowed:
        raise Refusal(f"{scope['path']} takes only {' and '.join(allowed)}", status=405, code="method_not_allowed")


def _user(headers: Mapping[bytes, bytes]) -> str | None:
    """The user name of Basic authorization, which is Segment's write key."""
    scheme, _, credentials = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        return base64.b64decode(credentials).decode("utf-8").partition(":")[0]
    except ValueError:  # neither base64 nor text
        return None


async def _reply(send: Send, answer: Answer) -> None:
    length = [(b"content-length", str(len(answer.content)).encode())] if answer.status != 204 else []
    await send({"type": "http.response.start", "status": answer.status, "headers": [*answer.headers, *length]})
    await send({"type": "http.response.body", "body": answer.content})
