"""Through which proxy a delivery goes: a real one on loopback, before a real TLS server."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from faults import has_ended, inform
from network import Faulty, faulty, refusing
from proxy import Proxy, proxy
from support import User, user_at
from tls import Authority
from watch import command_line, needs_proc, until

from cli_analytics import delivery, log
from cli_analytics.delivery import CA_VARIABLES, DELIVERED, RETRY
from cli_analytics.sinks.request import Request

pytestmark = pytest.mark.slow

NAME = "collect.example.test"  # only the proxy knows where that is
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
PASSWORD = "s3cr3t-0f-ada"
VARIABLES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
ALL_VARIABLES = (*VARIABLES, "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy")
NETRC = f"machine {NAME} login lovelace password {PASSWORD}\nmachine 127.0.0.1 login lovelace password {PASSWORD}\n"


class World(NamedTuple):
    """A server that is known by NAME to proxies and as localhost here, and what vouches for it."""

    server: Faulty
    authority: Authority


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for name in (*ALL_VARIABLES, *CA_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with faulty(Faulty(OK, context=authority.vouch(NAME, "localhost"))) as server:
        yield World(server, authority)


@pytest.fixture
def user(tmp_path: Path, world: World) -> Iterator[User]:
    with user_at(tmp_path, f"https://{NAME}") as somebody:
        somebody.environ["SSL_CERT_FILE"] = str(world.authority.file)
        inform(somebody)
        yield somebody


def send(url: str) -> delivery.Outcome:
    return delivery.send(Request(f"{url}/v1/batch", {}, b"{}", []))


@pytest.mark.parametrize("variable", VARIABLES)
def test_it_goes_through_the_proxy_of_each_variable(
    world: World, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    with proxy({NAME: world.server.port}) as ours:
        monkeypatch.setenv(variable, ours.url)
        assert send(f"https://{NAME}").delivery == DELIVERED
        assert [asked.line.split()[:2] for asked in ours.asked] == [["CONNECT", f"{NAME}:443"]]
    assert len(world.server.requests) == 1


@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
@pytest.mark.parametrize("exception", ["localhost", "example.org,localhost", "*"])
def test_it_goes_past_the_proxy_to_who_is_excepted(
    world: World, monkeypatch: pytest.MonkeyPatch, variable: str, exception: str
) -> None:
    with proxy({"localhost": world.server.port}) as ours:
        monkeypatch.setenv("HTTPS_PROXY", ours.url)
        assert send(f"https://localhost:{world.server.port}").delivery == DELIVERED
        assert len(ours.asked) == 1
        monkeypatch.setenv(variable, exception)
        assert send(f"https://localhost:{world.server.port}").delivery == DELIVERED
        assert len(ours.asked) == 1


@pytest.mark.parametrize("variable", [*VARIABLES, "HTTP_PROXY", "http_proxy"])
def test_what_goes_to_this_machine_in_the_clear_goes_through_no_proxy(
    world: World, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """It would leave the machine in the clear."""
    with proxy({}) as ours, faulty(Faulty(OK)) as server:
        monkeypatch.setenv(variable, ours.url)
        assert send(server.url).delivery == DELIVERED
        assert ours.asked == []


@pytest.mark.parametrize(("password", "refusal"), [("lovelace:other", ""), ("", "403 Forbidden"), ("", "503 Busy")])
def test_where_the_proxy_refuses_it_is_tried_again_and_not_past_it(
    world: World, monkeypatch: pytest.MonkeyPatch, password: str, refusal: str
) -> None:
    with proxy({"localhost": world.server.port}, password, refusal) as ours:
        for url in (ours.url, ours.url.replace("//", f"//lovelace:{PASSWORD}@")):
            monkeypatch.setenv("HTTPS_PROXY", url)
            outcome = send(f"https://localhost:{world.server.port}")
            assert (outcome.delivery, outcome.status) == (RETRY, 0)
            assert outcome.problem
        assert len(ours.asked) == 2
    assert world.server.connections == 0


@pytest.mark.parametrize("value", ["socks5://127.0.0.1:9", "ftp://127.0.0.1:9", "http://", "://", "refuses"])
def test_where_the_proxy_is_none_it_is_tried_again_and_not_past_it(
    world: World, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    with refusing() as closed:
        monkeypatch.setenv("HTTPS_PROXY", closed if value == "refuses" else value)
        outcome = send(f"https://localhost:{world.server.port}")
    assert (outcome.delivery, outcome.status) == (RETRY, 0)
    assert outcome.problem
    assert world.server.connections == 0


def secrets_in(user: User, ours: Proxy) -> list[str]:
    """Where a user, or who looks over their shoulder, could read the proxy's password."""
    encoded = base64.b64encode(f"lovelace:{PASSWORD}".encode()).decode()
    shown = {
        "status": user.run("analytics", "status").stdout,
        "status as JSON": user.run("analytics", "status", "--json").stdout,
        "log": user.run("analytics", "log").stdout,
        "preview": user.run("analytics", "preview").stdout,
        "a debugged run": user.run("hello", CLI_ANALYTICS_DEBUG="1").stderr,
        "a command line": " ".join(command_line(sender) for sender in user.senders()),
    }
    assert all(shown[name] for name in shown if name != "a command line")
    folders = (Path(user.where.state), Path(user.where.config))
    shown.update({str(path): path.read_text() for folder in folders for path in folder.rglob("*") if path.is_file()})
    return [name for name, text in shown.items() if PASSWORD in text or encoded in text or "lovelace" in text]


@needs_proc
@pytest.mark.parametrize("password", [f"lovelace:{PASSWORD}", "lovelace:other"])
def test_a_password_in_the_address_of_the_proxy_is_used_and_written_nowhere(
    world: World, user: User, password: str
) -> None:
    with proxy({NAME: world.server.port}, password) as ours:
        user.environ["HTTPS_PROXY"] = ours.url.replace("//", f"//lovelace:{PASSWORD}@")
        user.run("hello")
        until(lambda: log.read(user.where))
        knows = password.endswith(PASSWORD)
        assert [entry["delivery"] for entry in log.read(user.where)] == [DELIVERED if knows else RETRY]
        assert len(world.server.message_ids) == knows
        assert len(user.kept()) == (not knows)
        assert secrets_in(user, ours) == []


@needs_proc
def test_a_proxy_that_demands_a_password_gets_none_of_the_users_and_the_events_wait(world: World, user: User) -> None:
    netrc = user.home / ".netrc"
    netrc.write_text(NETRC, encoding="ascii")
    netrc.chmod(0o600)
    with proxy({NAME: world.server.port}, f"lovelace:{PASSWORD}") as ours:
        user.run("hello", HTTPS_PROXY=ours.url)
        until(lambda: has_ended(user))
        assert [sorted(asked.headers.keys() & {"Proxy-Authorization", "Authorization"}) for asked in ours.asked] == [[]]
    assert world.server.connections == 0
    assert len(user.waiting()) == 1


@needs_proc
def test_a_server_behind_a_proxy_gets_no_password_of_the_users(world: World, user: User) -> None:
    netrc = user.home / ".netrc"
    netrc.write_text(NETRC, encoding="ascii")
    netrc.chmod(0o600)
    with proxy({NAME: world.server.port}) as ours:
        user.run("hello", HTTPS_PROXY=ours.url)
        until(lambda: world.server.requests)
        [request] = world.server.requests
        assert request.headers["Authorization"] == "Basic bXl0b29sOg=="  # "mytool:"
        assert not {"Authorization", "Proxy-Authorization"} & ours.asked[0].headers.keys()
