"""Delivery: carry one request to its destination, and say how that went.

    2xx                          DELIVERED
    408, 425, 429, 5xx           RETRY, after Retry-After if the answer has one
    401, 403, 404, 3xx           RETRY: somebody misconfigured the endpoint, and may mend it
    410                          REJECTED and gone: nothing may be sent until the host is upgraded
    any other 4xx                REJECTED: the same bytes would be refused again
    no answer                    RETRY

To a destination that can't recognize a repetition nothing is sent again once the body was begun: what would be a RETRY
is REJECTED then. A `file:` URL is a new file, whole or not at all; `console:` is this process's stderr.

HTTPS is always verified, redirects are never followed, proxies and CA variables are honored; what goes to this machine
in the clear goes through no proxy. The time limits here bound each step; the sender's deadline bounds the whole, name
resolution included.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import BinaryIO, NamedTuple, Optional, Union

import requests

from cli_analytics import __version__
from cli_analytics.destination import check_endpoint
from cli_analytics.errors import ManifestError
from cli_analytics.sinks.request import Request

DELIVERED = "DELIVERED"
RETRY = "RETRY"
REJECTED = "REJECTED"

CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
GONE = 410
LONGEST_WISH_SECONDS = 10**9  # more than anybody waits; the breaker has its own limit

# A file or a folder of the authorities to trust; the first that is set counts. requests knows but the first two.
CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")

_REJECTING = frozenset(range(400, 500)) - {401, 403, 404, 408, 425, 429}


class Outcome(NamedTuple):
    """How a delivery went. `status` is 0 where there was no answer; `retry_after` is in seconds, 0 for no wish."""

    delivery: str
    status: int = 0
    retry_after: int = 0
    problem: str = ""


def send(request: Request, *, begun: Callable[[], None] = lambda: None) -> Outcome:
    """Carry the request, once. Raises nothing that the network can cause.

    Of a request that may be sent only once, `begun` is called before the first byte of its body leaves.
    """
    scheme, _, rest = request.url.partition(":")
    if scheme == "file":
        return _write(os.path.expanduser(rest), request.body)
    if scheme == "console":
        return _print(request.body)
    try:
        check_endpoint(request.address)
    except ManifestError as error:
        return Outcome(RETRY, problem=str(error))
    body = _Body(request.body, begun if request.once else None)
    outcome = _post(request, body)
    return outcome._replace(delivery=REJECTED) if outcome.delivery == RETRY and body.is_begun else outcome


class _Body(io.BytesIO):
    """A body that says when it is sent. With `begun` it is one that may be sent only once."""

    def __init__(self, content: bytes, begun: Optional[Callable[[], None]]) -> None:
        super().__init__(content)
        self._begun = begun
        self.is_begun = False

    def read(self, size: Optional[int] = -1, /) -> bytes:
        if self._begun is not None and not self.is_begun:
            self.is_begun = True
            self._begun()
        return super().read(size)


def _post(request: Request, body: _Body) -> Outcome:
    try:
        with posted(request, body) as response:
            return _judge(response.status_code, response.headers.get("Retry-After", ""))
    except (requests.RequestException, OSError, ValueError) as error:
        return Outcome(RETRY, problem=type(error).__name__)


@contextlib.contextmanager
def posted(request: Request, body: BinaryIO) -> Iterator[requests.Response]:
    """The answer to a POST, of which nothing but the head is read. Raises RequestException, OSError or ValueError."""
    headers = {**request.headers, "User-Agent": f"cli-analytics/{__version__}", "Accept-Encoding": "identity"}
    # `auth` keeps requests from looking for credentials of the user's in ~/.netrc.
    with (
        _Session(request.url) as session,
        session.post(
            request.url,
            data=body,
            headers=headers,
            auth=_keep_authorization,
            verify=_authorities(),
            timeout=(CONNECT_SECONDS, READ_SECONDS),
            allow_redirects=False,
            stream=True,  # a body of a gigabyte is not read
        ) as response,
    ):
        yield response


class _Session(requests.Session):
    """A session for one request, which sees no redirect: requests reads its body even when told not to follow it."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.trust_env = url.startswith("https://")  # a proxy would carry what is in the clear off this machine

    def get_redirect_target(self, _response: requests.Response) -> None:
        return None


def _write(path: str, content: bytes) -> Outcome:
    """A new file for whoever carries it on: with the modes that the user gives to new files."""
    draft = f"{path}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(draft, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError as error:
        return Outcome(RETRY, problem=f"{path}: {error.strerror}")
    return Outcome(DELIVERED)


def _print(content: bytes) -> Outcome:
    try:
        print(content.decode(), end="", file=sys.stderr, flush=True)  # noqa: T201
    except OSError as error:
        return Outcome(RETRY, problem=str(error))
    return Outcome(DELIVERED)


def _authorities() -> Union[str, bool]:
    return next((os.environ[name] for name in CA_VARIABLES if os.environ.get(name)), True)


def _judge(status: int, retry_after: str) -> Outcome:
    if 200 <= status < 300:
        return Outcome(DELIVERED, status)
    if status in _REJECTING:
        return Outcome(REJECTED, status)
    return Outcome(RETRY, status, _seconds(retry_after))


def _seconds(retry_after: str) -> int:
    """Retry-After is a number of seconds or a date (RFC 9110, section 10.2.3); 0 for neither."""
    if retry_after.isascii() and retry_after.isdecimal():
        return int(retry_after) if len(retry_after) < 10 else LONGEST_WISH_SECONDS
    try:
        return max(0, int(parsedate_to_datetime(retry_after).timestamp() - time.time()))
    except (ValueError, TypeError, OverflowError, IndexError):  # the last one by some versions of Python only
        return 0


def _keep_authorization(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
