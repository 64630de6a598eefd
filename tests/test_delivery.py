"""One request, and how its delivery went: a real server on loopback."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Union

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network import Faulty, faulty, refusing
from recorder import Recorder, recorder

from cli_analytics import __version__, delivery
from cli_analytics.delivery import DELIVERED, REJECTED, RETRY
from cli_analytics.sinks.request import Request


@pytest.fixture
def server() -> Iterator[Recorder]:
    with recorder() as running:
        yield running


def request(url: str) -> Request:
    headers = {"Authorization": "Basic a2V5Og==", "Content-Type": "application/json"}
    return Request(f"{url}/v1/batch", headers, b"{}", [])


STATUSES = {
    DELIVERED: [200, 201, 202, 204],
    REJECTED: [400, 402, 405, 406, 409, 410, 411, 413, 414, 415, 422, 431, 451],
    RETRY: [301, 302, 303, 304, 307, 308, 401, 403, 404, 408, 425, 429, 500, 502, 503, 504, 529],
}


@pytest.mark.parametrize(("expected", "status"), [(kind, status) for kind, some in STATUSES.items() for status in some])
def test_each_status_is_judged(server: Recorder, expected: str, status: int) -> None:
    server.status, server.headers = status, {"Location": f"{server.url}/elsewhere"}
    outcome = delivery.send(request(server.url))
    assert (outcome.delivery, outcome.status, outcome.problem) == (expected, status, "")
    assert [received.path for received in server.requests] == ["/v1/batch"], "once, and no redirect is followed"


def test_the_bytes_and_the_headers_are_those_of_the_request(server: Recorder) -> None:
    delivery.send(request(server.url))
    [received] = server.requests
    assert received.body == b"{}"
    assert received.headers["Authorization"] == "Basic a2V5Og=="
    assert received.headers["User-Agent"] == f"cli-analytics/{__version__}"
    assert "Cookie" not in received.headers


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("120", 120), ("0", 0), ("", 0), ("-5", 0), ("soon", 0), ("1.5", 0), ("9" * 30, 10**9), ("99999999", 99_999_999)],
)
def test_a_wish_for_a_pause_is_in_seconds(server: Recorder, header: str, seconds: int) -> None:
    server.status, server.headers = 503, {"Retry-After": header}
    assert delivery.send(request(server.url)).retry_after == seconds


@pytest.mark.parametrize(("ahead", "seconds"), [(3600, 3600), (-3600, 0)])
def test_a_wish_for_a_pause_may_be_a_date(server: Recorder, ahead: int, seconds: int) -> None:
    server.status, server.headers = 429, {"Retry-After": formatdate(time.time() + ahead, usegmt=True)}
    assert delivery.send(request(server.url)).retry_after == pytest.approx(seconds, abs=5)


def test_credentials_that_the_user_keeps_for_this_server_are_not_sent(
    server: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ada password secret\n", encoding="ascii")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    delivery.send(request(server.url))
    assert server.requests[0].headers["Authorization"] == "Basic a2V5Og=="


def test_where_nobody_listens_it_is_tried_again() -> None:
    with refusing() as url:
        outcome = delivery.send(request(url))
    assert (outcome.delivery, outcome.status) == (RETRY, 0)
    assert outcome.problem


TOKENS = [
    "HTTP/1.1",
    " ",
    "200",
    "302",
    "abc",
    "-1",
    "\r\n",
    "\n",
    "\r\n\r\n",
    ":",
    "Location: ",
    "//[",
    "Set-Cookie: a=b;",
]
TOKENS += [
    "Content-Length: 9",
    "Transfer-Encoding: chunked",
    "Content-Encoding: gzip",
    "Retry-After: ",
    "\0",
    "\xff",
    "5",
]
ANSWERS = st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(TOKENS), max_size=20).map("".join))


@pytest.mark.slow
@settings(deadline=None, max_examples=100)
@given(ANSWERS)
def test_whatever_a_server_says_is_an_outcome(answer: Union[bytes, str]) -> None:
    with faulty(Faulty(answer if isinstance(answer, bytes) else answer.encode("latin-1"))) as server:
        outcome = delivery.send(request(server.url))
    assert outcome.delivery in (DELIVERED, RETRY, REJECTED)
    assert bool(outcome.status) != bool(outcome.problem)


DATES = ["Thu", ",", " ", "01", "Jan", "1970", "99999", "00:00:00", "24:61", ":", "-", "GMT", "+9999", "(", '"', "0"]


@pytest.mark.slow
@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from(DATES), max_size=9).map("".join))
def test_whatever_a_server_wishes_is_a_number_of_seconds(wish: str) -> None:
    with faulty(Faulty(f"HTTP/1.1 503 So\r\nRetry-After: {wish}\r\n\r\n".encode())) as server:
        outcome = delivery.send(request(server.url))
    assert outcome.status == 503
    assert outcome.retry_after >= 0


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999", "nonsense", "http://", "http://[::1", "https://127.0.0.1:9"])
def test_an_address_that_is_none_raises_nothing(url: str) -> None:
    assert delivery.send(request(url)).delivery == RETRY


def test_a_server_that_is_not_who_it_says_is_not_talked_to(server: Recorder) -> None:
    outcome = delivery.send(request(server.url.replace("http:", "https:")))
    assert outcome.delivery == RETRY
    assert server.requests == []
