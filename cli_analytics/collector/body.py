"""Body: the bytes of a request, read in full, decompressed and bounded, and the JSON in them.

Content-Type and Content-Length are not looked at: real clients send JSON as text/plain or as a form, gzip under any
type, and chunks without a length.
"""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, TypeVar

import msgspec

from cli_analytics.collector.refusal import Refusal

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

MAX_BYTES = 500 * 1024  # Segment's limit for a batch; here it holds before and after decompression
MAX_EVENTS = 2500  # Segment's limit for a batch, kept for every protocol
MAX_DRAINED = 16 * 1024 * 1024  # who is cut off while sending sees a broken pipe, not the answer, and retries

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_RAW_DEFLATE = -zlib.MAX_WBITS

_T = TypeVar("_T")


async def read(receive: Receive, headers: Mapping[bytes, bytes]) -> bytes:
    """The decompressed body. Raises Refusal when it is too large, torn or in an unknown encoding."""
    body = await _received(receive)
    encoding = headers.get(b"content-encoding", b"").strip().lower()
    if encoding in (b"", b"identity"):
        return body
    if encoding in (b"gzip", b"x-gzip"):
        return _inflated(body, _GZIP_OR_ZLIB)
    if encoding == b"deflate":
        return _inflated(body, _RAW_DEFLATE if _is_raw(body) else _GZIP_OR_ZLIB)
    raise Refusal("unknown Content-Encoding; known are gzip and deflate", status=415, code="unsupported_encoding")


def decoded(content: bytes | msgspec.Raw, type_: type[_T], where: str) -> _T:
    """The JSON in `content`, which is a `type_`. Raises Refusal that says what `where` is not."""
    try:
        return msgspec.json.decode(content, type=type_)
    except msgspec.ValidationError as error:
        wanted = "a list" if str(error).startswith("Expected `array`") else "an object with values in range"
        raise Refusal(f"{where} is not {wanted}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal("malformed JSON") from error


async def _received(receive: Receive) -> bytes:
    chunks = []
    size = 0
    more = True
    while more and size <= MAX_DRAINED:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal("the client hung up")
        size += len(message.get("body", b""))
        if size <= MAX_BYTES:
            chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    if size > MAX_BYTES:
        raise _too_large()
    return b"".join(chunks)


def _inflated(body: bytes, window_bits: int) -> bytes:
    decoder = zlib.decompressobj(window_bits)
    try:
        content = decoder.decompress(body, MAX_BYTES + 1)
    except zlib.error as error:
        raise Refusal("the body is not what its Content-Encoding says") from error
    if len(content) > MAX_BYTES:
        raise _too_large()
    if not decoder.eof:
        raise Refusal("the compressed body ends too early")
    return content


def _is_raw(body: bytes) -> bool:
    """True when the two bytes of a zlib header (RFC 1950) are missing, as some clients leave them out."""
    return len(body) < 2 or body[0] & 0x0F != 8 or (body[0] * 256 + body[1]) % 31 != 0


def _too_large() -> Refusal:
    return Refusal(f"the request is larger than {MAX_BYTES} bytes", code="request_too_large")
