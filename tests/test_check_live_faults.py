"""`cli-analytics check --live` where the validation server gives no verdict: that is said, and in bounded time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from checking import EXPORTED, Done, sink
from ga4_twin import Twin, twin
from network import Faulty, faulty, refusing
from tls import Authority

from cli_analytics import delivery, validation

pytestmark = pytest.mark.slow  # it depends little on the Python it runs on


@pytest.fixture
def server() -> Iterator[Twin]:
    with twin() as server:
        yield server


def no_verdict(done: Done, said: str) -> None:
    """The first event got none, the second is not asked about, and all of that is said."""
    assert done.status == 1
    assert done.out.endswith("/debug/mp/collect on G-ABC\n  command_run: no verdict\n")
    assert "/debug/mp/collect gave no verdict on events.command_run: " in done.err
    assert said in done.err
    assert done.err.endswith("; not asked any more: report_exported\n")
    assert len(done.err.splitlines()) == 2


@pytest.mark.parametrize("status", [204, 302, 307, 400, 404, 500, 503])
def test_a_status_other_than_200_is_no_verdict_and_a_redirect_is_not_followed(
    tmp_path: Path, server: Twin, status: int
) -> None:
    server.status = status
    done = Done(tmp_path, [sink(server.url), EXPORTED], "--live")
    no_verdict(done, f"it answered {status} instead of 200. See whether it is the right endpoint")
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        *(b"", b"<html>", b"\xff\xfe", b"[]", b"null", b"{}", b"7", b"[" * 100_000, b" " * 2_000_000),
        *(b'{"validationMessages": null}', b'{"validationMessages": ""}', b'{"validationMessages": {}}'),
        *(b'{"validationMessages": ["no"]}', b'{"validationMessages": [null]}'),
    ],
    ids=lambda answer: f"{answer[:30]!r}",
)
def test_an_answer_that_is_none_is_no_verdict(tmp_path: Path, server: Twin, answer: bytes) -> None:
    server.answer = answer
    done = Done(tmp_path, [sink(server.url), EXPORTED], "--live")
    no_verdict(done, "it answered something else. See whether it is the right endpoint")


def test_over_tls_only_who_is_vouched_for_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path)
    valid = b'{"validationMessages": []}'
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(valid)
    for name in delivery.CA_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with faulty(Faulty(head, valid, limit=len(head) + len(valid), context=authority.vouch())) as server:
        url = f"https://localhost:{server.port}"
        no_verdict(Done(tmp_path, [sink(url), EXPORTED], "--live"), "SSLError")
        assert server.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        assert "  command_run: ok\n" in Done(tmp_path, [sink(url)], "--live").out
    assert len(server.requests) == 1


def test_neither_a_proxy_nor_a_password_of_the_users_is_used_on_this_machine(
    tmp_path: Path, server: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("default login ada password of-ada\n", encoding="ascii")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with refusing() as closed:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, closed)
        assert Done(tmp_path, [sink(server.url)], "--live").status == 0
    assert "Authorization" not in server.asked[0].headers


def test_who_refuses_gives_no_verdict(tmp_path: Path) -> None:
    with refusing() as url:
        done = Done(tmp_path, [sink(url), EXPORTED], "--live")
    no_verdict(done, "ConnectionError. See whether this machine can reach it, and ask again")


def test_who_hangs_up_gives_no_verdict(tmp_path: Path) -> None:
    with faulty(Faulty(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")) as server:
        done = Done(tmp_path, [sink(server.url), EXPORTED], "--live")
    no_verdict(done, "See whether this machine can reach it, and ask again")


@pytest.mark.slow
def test_who_hangs_gives_no_verdict_in_bounded_time(tmp_path: Path) -> None:
    with faulty(Faulty(hangs=True)) as server:
        done = Done(tmp_path, [sink(server.url), EXPORTED], "--live")
    no_verdict(done, "ReadTimeout. See whether this machine can reach it, and ask again")
    assert delivery.READ_SECONDS <= done.seconds < delivery.READ_SECONDS + 10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("head", "chunk"),
    [
        (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b" "),
    ],
)
def test_who_trickles_gives_no_verdict_in_bounded_time(tmp_path: Path, head: bytes, chunk: bytes) -> None:
    with faulty(Faulty(head, chunk, pause=0.5)) as server:
        done = Done(tmp_path, [sink(server.url), EXPORTED], "--live")
    no_verdict(done, "no answer within 20 seconds. See whether this machine can reach it, and ask again")
    assert validation.ANSWER_SECONDS <= done.seconds < validation.ANSWER_SECONDS + 10
