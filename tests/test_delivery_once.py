"""A destination that can't recognize a repetition is sent nothing again once the body was begun."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from network import Faulty, faulty, listener
from tls import Authority, self_signed

from cli_analytics import delivery
from cli_analytics.delivery import DELIVERED, REJECTED, RETRY, Outcome
from cli_analytics.sinks.request import Request

OK = b"HTTP/1.1 204 No Content\r\n\r\n"


class Begun:
    """How often it was said that the body is begun."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


@pytest.fixture
def begun() -> Begun:
    return Begun()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "READ_SECONDS", 0.3)
    monkeypatch.setattr(delivery, "CONNECT_SECONDS", 0.3)


def send(url: str, begun: Begun, *, once: bool = True, body: bytes = b"{}") -> Outcome:
    return delivery.send(Request(f"{url}/mp/collect?api_secret=s", {}, body, [], once), begun=begun)


def answers(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nRetry-After: 7\r\n\r\n".encode()


def test_it_is_said_once_and_before_the_server_has_anything(begun: Begun) -> None:
    with faulty(Faulty(OK)) as server:
        assert send(server.url, begun, body=b"x" * 100_000) == Outcome(DELIVERED, 204)
    assert begun.times == 1
    assert [request.body for request in server.requests] == [b"x" * 100_000]
    assert server.requests[0].headers["Content-Length"] == "100000"


@pytest.mark.parametrize("status", ["500 X", "503 X", "429 X", "408 X", "401 X", "404 X", "302 X"])
def test_after_the_body_no_answer_is_a_reason_to_send_it_again(begun: Begun, status: str) -> None:
    with faulty(Faulty(answers(status))) as server:
        assert send(server.url, begun) == Outcome(REJECTED, int(status[:3]), 7)
        assert send(server.url, Begun(), once=False) == Outcome(RETRY, int(status[:3]), 7)
    assert begun.times == 1


@pytest.mark.parametrize("server", [Faulty(), Faulty(resets=True), Faulty(hangs=True), Faulty(b"garbage\r\n\r\n")])
def test_nor_is_none(begun: Begun, server: Faulty) -> None:
    with faulty(server):
        assert send(server.url, begun).delivery == REJECTED
        assert send(server.url, Begun(), once=False).delivery == RETRY
    assert begun.times == 1


def closed() -> Iterator[str]:
    with listener() as unused:
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    yield url


def untrusted(folder: Path) -> Iterator[str]:
    with faulty(Faulty(OK, context=self_signed(folder))) as server:
        yield f"https://localhost:{server.port}"


def speechless(folder: Path) -> Iterator[str]:
    with faulty(Faulty(OK, reads=False, hangs=True, scheme="https")) as server:
        yield server.url


@pytest.mark.parametrize("fault", ["closed", "untrusted", "speechless"])
def test_what_never_got_as_far_as_the_body_is_sent_again(tmp_path: Path, begun: Begun, fault: str) -> None:
    urls = {"closed": closed(), "untrusted": untrusted(tmp_path), "speechless": speechless(tmp_path)}
    for url in urls[fault]:
        assert send(url, begun).delivery == RETRY
    assert begun.times == 0


def test_through_tls_too(tmp_path: Path, begun: Begun, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
    with faulty(Faulty(context=authority.vouch())) as server:
        assert send(f"https://localhost:{server.port}", begun).delivery == REJECTED
    assert begun.times == 1


def test_what_may_be_sent_again_is_not_said_to_be_begun(begun: Begun) -> None:
    with faulty(Faulty(OK)) as server:
        assert send(server.url, begun, once=False) == Outcome(DELIVERED, 204)
    assert begun.times == 0


@pytest.mark.parametrize("url", ["http://collect.example.org/x", "ftp://127.0.0.1/x", "mysink:", "", "https://"])
def test_nothing_goes_where_a_manifest_could_not_send_it(url: str) -> None:
    outcome = delivery.send(Request(url, {}, b"{}", []))
    assert outcome.delivery == RETRY
    assert "Allowed: https://" in outcome.problem


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "1.gz"
    request = Request(f"file:{path}", {}, b"content", [])
    assert delivery.send(request) == Outcome(DELIVERED)
    assert (path.read_bytes(), os.listdir(path.parent)) == (b"content", ["1.gz"])
    (tmp_path / "file").touch()
    refused = delivery.send(Request(f"file:{tmp_path}/file/1.gz", {}, b"content", []))
    assert refused.delivery == RETRY
    assert str(tmp_path) in refused.problem


def test_a_file_below_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert delivery.send(Request("file:~/archive/1.gz", {}, b"content", [])) == Outcome(DELIVERED)
    assert (tmp_path / "archive" / "1.gz").read_bytes() == b"content"


def test_the_console_is_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert delivery.send(Request("console:", {}, b"{}\n", [])) == Outcome(DELIVERED)
    assert capsys.readouterr() == ("", "{}\n")
