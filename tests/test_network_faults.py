"""Each fault of the network, as a real sender of a real host meets it on loopback."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import breakers
import pytest
from collecting import records, running
from days import Calendar
from faults import FAULTS, MEGABYTE, Fault, bare, has_ended, inform, pause, run, wait_for_end
from network import Faulty, faulty, refusing
from resolver import needs_resolver, resolver
from support import CLOSED, MANIFEST, User, user_at
from tls import Authority, self_signed
from watch import needs_proc, until

from cli_analytics import log, manifest
from cli_analytics.delivery import DELIVERED, GONE, RETRY
from cli_analytics.errors import ManifestError

pytestmark = [needs_proc, pytest.mark.slow]

NAME = "collect.example.test"


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    with user_at(tmp_path) as somebody:
        inform(somebody)
        yield somebody


def outcome(user: User) -> tuple[str, int, str]:
    """The one attempt that there was."""
    [entry] = log.read(user.where)
    return entry["delivery"], entry["status"], entry["problem"]


def assert_paused(user: User, fault: Fault) -> None:
    """The breaker says that there was one failure, or that the endpoint is gone; after a success there is none."""
    if fault.delivery == DELIVERED:
        assert not os.path.exists(user.where.breaker)
    elif fault.status == GONE:
        assert breakers.only(user.where).gone == ("1.2.3",)
    else:
        assert breakers.only(user.where).failures == 1
        assert fault.pause - 20 < pause(user) <= fault.pause


@pytest.mark.parametrize("name", FAULTS)
def test_the_host_does_not_notice_and_the_events_are_kept_unless_they_are_refused(
    user: User, tmp_path: Path, name: str
) -> None:
    fault = FAULTS[name]
    with faulty(fault.server(tmp_path)) as server:
        user.environ["CLI_ANALYTICS_ENDPOINT"] = server.url
        assert run(user) == bare()
        memory = wait_for_end(user)
        assert bare()[:2] == (3, "result\n")
        assert outcome(user) == (fault.delivery, fault.status, fault.problem)
        assert server.connections == 1, "no attempt is repeated"
        assert len(user.waiting()) == (fault.delivery == RETRY)
        if fault.delivery == RETRY and server.requests:
            assert user.message_ids() == server.message_ids
        assert server.sent < 20 * MEGABYTE, "as much as the kernel buffers"
        assert memory < 100 * MEGABYTE
    assert_paused(user, fault)


def test_a_port_that_refuses(user: User) -> None:
    with refusing() as url:
        user.environ["CLI_ANALYTICS_ENDPOINT"] = url
        assert run(user) == bare()
        wait_for_end(user)
    assert outcome(user) == (RETRY, 0, "ConnectionError")
    assert len(user.waiting()) == 1
    assert 40 < pause(user) <= 60


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_elsewhere_in_the_clear_is_not_followed(user: User, tmp_path: Path, status: int) -> None:
    authority = Authority(tmp_path)
    answer = "HTTP/1.1 {} Found\r\nLocation: {}/v1/batch\r\nContent-Length: 0\r\n\r\n"
    with faulty(Faulty(b"HTTP/1.1 200 OK\r\n\r\n")) as elsewhere:
        head = answer.format(status, elsewhere.url).encode()
        with faulty(Faulty(head, context=authority.vouch())) as server:
            user.environ["CLI_ANALYTICS_ENDPOINT"] = f"https://localhost:{server.port}"
            user.environ["SSL_CERT_FILE"] = str(authority.file)
            assert run(user) == bare()
            wait_for_end(user)
            assert outcome(user) == (RETRY, status, "")
            assert user.message_ids() == server.message_ids
            assert len(server.requests) == 1
            assert elsewhere.connections == 0


@needs_resolver
def test_a_name_that_does_not_exist(user: User, tmp_path: Path) -> None:
    user.environ["CLI_ANALYTICS_ENDPOINT"] = f"https://{NAME}"
    with resolver() as names:
        assert run(user, names.enter(tmp_path)) == bare()
        wait_for_end(user)
        assert NAME in names.asked
    assert outcome(user) == (RETRY, 0, "ConnectionError")
    assert len(user.waiting()) == 1
    assert 40 < pause(user) <= 60


@needs_resolver
def test_a_name_that_an_ad_blocker_has_turned_into_this_machine(user: User, tmp_path: Path) -> None:
    """0.0.0.0 is this machine, and something of the user's own may listen there."""
    with faulty(Faulty(context=self_signed(tmp_path))) as server, resolver({NAME: "0.0.0.0"}) as names:
        user.environ["CLI_ANALYTICS_ENDPOINT"] = f"https://{NAME}:{server.port}"
        assert run(user, names.enter(tmp_path)) == bare()
        wait_for_end(user)
        assert (server.connections, server.requests) == (1, [])
    assert outcome(user) == (RETRY, 0, "SSLError")
    assert len(user.waiting()) == 1


@needs_resolver
@pytest.mark.parametrize("where", ["variable", "manifest"])
def test_nothing_is_sent_in_the_clear_to_another_machine(user: User, tmp_path: Path, where: str) -> None:
    with faulty(Faulty(b"HTTP/1.1 200 OK\r\n\r\n")) as server, resolver({NAME: "127.0.0.1"}) as names:
        url = f"http://{NAME}:{server.port}"
        if where == "variable":
            user.environ["CLI_ANALYTICS_ENDPOINT"] = url
        else:
            del user.environ["CLI_ANALYTICS_ENDPOINT"]
            user.manifest.write_text(MANIFEST.replace(CLOSED, url), encoding="utf-8")
        assert run(user, names.enter(tmp_path)) == bare()
        if where == "variable":
            until(lambda: has_ended(user))
            assert len(user.waiting()) == 1
        else:
            assert not os.path.exists(user.where.spool), "a manifest that is wrong is off"
        assert (server.connections, names.asked) == (0, [])


@pytest.mark.skipif(sys.version_info < (3, 10), reason="the collector needs Python 3.10")
def test_an_answer_that_is_lost_after_the_server_has_stored_the_event_makes_no_second_one(
    user: User, tmp_path: Path
) -> None:
    pytest.importorskip("msgspec")
    pytest.importorskip("uvicorn")
    with faulty(Faulty()) as lossy, running(tmp_path) as collector:
        user.environ["CLI_ANALYTICS_ENDPOINT"] = lossy.url
        run(user)
        wait_for_end(user)
        [request] = lossy.requests
        assert collector.request("POST", request.path, request.body, dict(request.headers))[0] == 200
        Calendar(user.where).let_pass(61)
        user.environ["CLI_ANALYTICS_ENDPOINT"] = f"http://127.0.0.1:{collector.port}"
        run(user)
        wait_for_end(user)
        sent = [event["messageId"] for entry in log.read(user.where) for event in json.loads(entry["body"])["batch"]]
        assert sent[:2] == lossy.message_ids * 2, "the first was sent again"
        assert len(sent) == 3
        collector.stop()
    stored = [record["messageId"] for record in records(tmp_path / "archive")]
    assert stored.count(lossy.message_ids[0]) == 1
    assert len(stored) == 2


def test_an_organizations_endpoint_takes_the_place_of_all_sinks() -> None:
    declared = manifest.parse(MANIFEST.encode())
    assert manifest.destinations(declared, {}) == declared.sinks
    [sink] = manifest.destinations(declared, {"CLI_ANALYTICS_ENDPOINT": " https://collect.example.org/ "})
    assert (sink.type, sink.endpoint) == ("segment", "https://collect.example.org")


@pytest.mark.parametrize(
    "endpoint",
    [
        *("http://collect.example.org", "collect.example.org", "ftp://127.0.0.1", "off", "http://0.0.0.0"),
        *("http://127.0.0.1@example.org", "http://127.0.0.1:80@example.org", "http://127.0.0.1.example.org"),
        *("http://localhost.example.org", "http://[::1].example.org", "http://127.0.0.1\\@example.org", "http://127.1"),
    ],
)
def test_an_endpoint_in_the_clear_is_no_endpoint(endpoint: str) -> None:
    with pytest.raises(ManifestError, match="in the clear"):
        manifest.destinations(manifest.parse(MANIFEST.encode()), {"CLI_ANALYTICS_ENDPOINT": endpoint})


@pytest.mark.parametrize(
    "endpoint",
    [
        *("https://", "https:///path", "https://:443", "https://example.org:port", "https://ada:secret@example.org"),
        *("https://example.org?q", "https://example.org#x", "https://exa mple.org"),
        "https://example.org:99999",
        "http://127.999.0.1",  # no address, so a name server would be asked for it
    ],
)
def test_an_endpoint_to_which_no_path_can_be_appended_is_none(endpoint: str) -> None:
    with pytest.raises(ManifestError):
        manifest.destinations(manifest.parse(MANIFEST.encode()), {"CLI_ANALYTICS_ENDPOINT": endpoint})
