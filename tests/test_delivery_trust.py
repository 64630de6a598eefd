"""Whom a delivery trusts: real TLS servers on loopback, and an authority of our own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from faults import has_ended, inform
from network import Faulty, faulty
from support import user_at
from tls import Authority, needs_openssl
from watch import needs_proc, until

from cli_analytics import delivery
from cli_analytics.delivery import CA_VARIABLES, DELIVERED, RETRY
from cli_analytics.sinks.request import Request

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture(autouse=True)
def _trusts_nobody_special(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CA_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def server(authority: Authority) -> Iterator[Faulty]:
    with faulty(Faulty(OK, context=authority.vouch())) as running:
        yield running


def send(server: Faulty) -> delivery.Outcome:
    return delivery.send(Request(f"https://localhost:{server.port}/v1/batch", {}, b"{}", []))


@pytest.mark.parametrize("variable", CA_VARIABLES)
def test_the_file_that_a_variable_names_is_trusted_and_nothing_else(
    server: Faulty, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    (tmp_path / "other").mkdir()
    monkeypatch.setenv(variable, str(Authority(tmp_path / "other").file))
    assert send(server)[:2] == (RETRY, 0)
    monkeypatch.setenv(variable, str(authority.file))
    assert send(server).delivery == DELIVERED
    assert len(server.requests) == 1


@needs_openssl
@pytest.mark.parametrize("variable", CA_VARIABLES)
def test_so_is_the_folder(server: Faulty, authority: Authority, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, str(authority.folder()))
    assert send(server).delivery == DELIVERED


def test_the_first_variable_that_is_set_counts(
    server: Faulty, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
    monkeypatch.setenv("SSL_CERT_FILE", str(Authority(tmp_path / "other").file))
    assert send(server).delivery == DELIVERED


@pytest.mark.parametrize("value", ["", "/nowhere/authority.pem", "0", "false"])
def test_no_value_switches_the_verification_off(server: Faulty, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PYTHONHTTPSVERIFY", "0")
    for variable in CA_VARIABLES:
        monkeypatch.setenv(variable, value)
    outcome = send(server)
    assert (outcome.delivery, outcome.status) == (RETRY, 0)
    assert outcome.problem in ("SSLError", "OSError")
    assert server.requests == []


@pytest.mark.slow
@needs_proc
@needs_openssl
@pytest.mark.parametrize("variable", CA_VARIABLES)
def test_a_sender_has_the_variables_of_its_host(
    server: Faulty, authority: Authority, tmp_path: Path, variable: str
) -> None:
    with user_at(tmp_path, f"https://localhost:{server.port}") as user:
        user.environ[variable] = str(authority.folder() if variable == "SSL_CERT_DIR" else authority.file)
        inform(user)
        user.run("hello")
        until(lambda: server.requests or has_ended(user))
        assert len(server.message_ids) == 1
