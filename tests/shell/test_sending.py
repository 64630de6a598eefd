"""The shell's sender: what each answer means, what a crash leaves, and what nobody may see."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from pathlib import Path

import pytest
from recorder import recorder
from shells import SEND, ShellUser, every_shell, received
from support import MANIFEST
from watch import command_line, processes_at, until

from cli_analytics import breaker, gate, log, manifest
from cli_analytics.spool import Spool

pytestmark = pytest.mark.slow  # it depends little on the Python it runs on

DECLARED = manifest.parse(MANIFEST.encode()).events
RECORD = "analytics_record report_exported format=csv rows=120"


def is_at_rest(user: ShellUser) -> bool:
    """Whether no sender of the shell's is at work."""
    return not list(Path(user.where.spool).glob("shell-*"))


@every_shell
def test_what_is_recorded_arrives(shell: str, tmp_path: Path) -> None:
    with recorder() as server:
        user = ShellUser(tmp_path, server.url)
        user.sh_inform(shell)
        user.quietly(shell, f"{RECORD}; analytics_run true")
        recorded = user.events()
        user.quietly(shell, "analytics_end")
        until(lambda: len(received(server)) == 2 and is_at_rest(user))
        [request] = server.requests
    assert request.path == "/v1/batch"
    assert request.headers["Authorization"] == "Basic bXl0b29sOg=="
    assert received(server) == [{**event, "request_ip": "0.0.0.0"} for event in recorded]
    for event in recorded:
        assert gate.check(event, DECLARED).event == event
    assert Spool(user.where.spool).is_empty()
    assert not Path(user.where.breaker).exists()
    [entry] = log.read(user.where)
    assert entry["body"].encode() == request.body
    assert (entry["delivery"], entry["status"], entry["events"]) == ("DELIVERED", 200, 2)
    assert log.totals([entry]) == {"requests": 1, "events": 2, "bytes": len(request.body)}


@pytest.mark.parametrize(
    ("status", "kept", "delivery"),
    [(200, 0, "DELIVERED"), (204, 0, "DELIVERED"), (400, 0, "REJECTED"), (413, 0, "REJECTED")]
    + [(status, 1, "RETRY") for status in (301, 302, 401, 403, 404, 408, 425, 429, 500, 503)],
)
@pytest.mark.parametrize("client", ["curl", "wget"])
def test_each_answer_means_what_it_means_to_python(
    client: str, status: int, kept: int, delivery: str, tmp_path: Path
) -> None:
    with recorder() as server:
        user = ShellUser(tmp_path, server.url)
        use(user, client)
        user.sh_inform()
        server.status = status
        server.headers = {"Location": f"{server.url}/elsewhere", "Retry-After": "100"}
        user.quietly("dash", f"{RECORD}; analytics_end")
        until(lambda: server.requests and is_at_rest(user) and log.read(user.where))
        user.quietly("dash", "analytics_end")
        time.sleep(0.3)
        assert len(server.requests) == 1  # neither followed nor repeated
    assert len(user.events()) == kept
    assert [entry["delivery"] for entry in log.read(user.where)] == [delivery]
    [sink] = manifest.destinations(manifest.load(str(user.manifest)), user.environ)
    known = breaker.read(user.where).of(sink.key)
    pause = known.not_before - time.time()
    if delivery == "DELIVERED":
        assert not Path(user.where.breaker).exists()
    else:
        assert known.failures == 1
        assert 90 < pause <= 100
        assert not known.due("1.2.3")
        assert abs(os.stat(user.where.breaker).st_mtime - known.not_before) < 2


def use(user: ShellUser, client: str) -> None:
    """A path on which there is no other client."""
    folder = user.folder / "bin"
    folder.mkdir()
    for place in os.get_exec_path():
        for path in Path(place).iterdir() if os.path.isdir(place) else ():
            if path.name not in ("curl", "wget") and not (folder / path.name).is_symlink():
                (folder / path.name).symlink_to(path)
    found = shutil.which(client)
    if found is None:
        pytest.skip(f"no {client} here")
    (folder / client).symlink_to(found)
    user.environ["PATH"] = str(folder)


def test_an_endpoint_that_is_gone_is_never_asked_again_by_this_version(tmp_path: Path) -> None:
    with recorder() as server:
        user = ShellUser(tmp_path, server.url)
        user.sh_inform()
        server.status = 410
        user.quietly("dash", f"{RECORD}; analytics_end")
        until(lambda: server.requests and is_at_rest(user) and not user.events())
        assert "it is gone for good" in user.quietly("dash", f"{RECORD}; analytics_end; analytics_status")
        assert not user.events()
        assert not user.run("export", "120").stderr
        assert not user.events()  # Python has read it too
        assert len(server.requests) == 1
        user.sh("dash", f"analytics_begin 1.2.4; {RECORD}; analytics_end")
        until(lambda: len(server.requests) == 2)


def test_without_a_client_everything_waits_and_nothing_is_said(tmp_path: Path) -> None:
    user = ShellUser(tmp_path)
    use(user, "curl")
    (user.folder / "bin" / "curl").unlink()
    user.sh_inform()
    assert user.quietly("dash", f"{RECORD}; analytics_end") == ""
    time.sleep(0.3)
    assert len(user.events()) == 1
    assert not Path(user.where.breaker).exists()


@pytest.mark.parametrize("client", ["curl", "wget"])
def test_the_key_is_in_no_list_of_processes_and_no_setting_of_the_users_counts(client: str, tmp_path: Path) -> None:
    with recorder() as server:
        user = ShellUser(tmp_path, server.url)
        use(user, client)
        user.sh_inform()
        (user.home / ".curlrc").write_text('header = "X-Mine: 1"\nlocation\nverbose\n', encoding="ascii")
        (user.home / ".wgetrc").write_text("header = X-Mine: 1\n", encoding="ascii")
        (user.home / ".netrc").write_text("machine 127.0.0.1 login ada password secret\n", encoding="ascii")
        server.answering.clear()
        user.quietly(
            "dash", f"{RECORD}; analytics_end", http_proxy="http://127.0.0.1:9", all_proxy="http://127.0.0.1:9"
        )
        until(lambda: server.requests)
        lines = "\n".join(command_line(pid) for pid in processes_at(user.home))
        server.answering.set()
        until(lambda: is_at_rest(user))
        [request] = server.requests
    assert f"{client} " in lines
    assert "bXl0b29sOg==" not in lines
    assert request.headers["Authorization"] == "Basic bXl0b29sOg=="
    assert "X-Mine" not in request.headers
    assert request.headers["User-Agent"].startswith("cli-analytics/")
    assert sorted(path.name for path in user.home.iterdir()) == [".config", ".curlrc", ".local", ".netrc", ".wgetrc"]


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://10.0.0.1",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
        "http://localhost:80@10.0.0.1/",
        "http://127.0.0.1.nip.io",
    ]
    + ['https://x/"\nurl = "http://10.0.0.1', "https://x/?a", "-K/etc/passwd", "https://"],
)
def test_nothing_is_sent_in_the_clear_or_to_what_is_no_address(endpoint: str, tmp_path: Path) -> None:
    user = ShellUser(tmp_path, endpoint)
    use(user, "curl")
    curl = user.folder / "bin" / "curl"
    curl.unlink()
    curl.write_text(f"#!/bin/sh\necho called >>'{user.folder}/called'\n", encoding="ascii")
    curl.chmod(0o755)
    user.sh("dash", f"{RECORD}; analytics_end", **{SEND: "true"})
    time.sleep(0.3)
    assert len(user.events()) == 1
    assert not (user.folder / "called").exists()


def test_what_a_killed_sender_held_is_sent_by_the_next(tmp_path: Path) -> None:
    with recorder() as server:
        user = ShellUser(tmp_path, server.url)
        user.sh_inform()
        server.answering.clear()
        user.quietly("dash", f"{RECORD}; {RECORD}; analytics_end")
        until(lambda: server.requests)
        for pid in processes_at(user.home):
            os.kill(pid, 9)
        until(lambda: not processes_at(user.home))
        assert not user.events()
        server.answering.set()
        user.quietly("dash", "analytics_end")
        time.sleep(0.3)
        assert len(server.requests) == 1  # nobody knows yet whether it is at work
        [folder] = Path(user.where.spool).glob("shell-*")
        os.utime(folder, (time.time() - 120,) * 2)
        user.quietly("dash", "analytics_end")
        until(lambda: len(server.requests) == 2 and is_at_rest(user))
        ids = Counter(event["messageId"] for event in received(server))
    assert sorted(ids.values()) == [2, 2]  # the same two again, which the receiver can tell
    assert not user.events()


def test_a_spool_that_is_full_takes_no_more_and_counts_them(tmp_path: Path) -> None:
    with recorder() as server:
        user = ShellUser(tmp_path, server.url)
        user.sh_inform()
        user.quietly("dash", RECORD)
        [path] = user.appended()
        for number in range(999):
            old = path.with_name(f"{1767323045678 + number}-{number:012x}-{path.stat().st_size}.json")
            shutil.copy(path, old)
            os.utime(old, (1767323045,) * 2)
        user.quietly("dash", f"{RECORD}; {RECORD}")
        assert (len(user.events()), Path(user.where.spool, "dropped").read_bytes()) == (1000, b"..")

        user.quietly("dash", "analytics_end")  # those of that second are older than a week
        until(lambda: received(server) and is_at_rest(user))
        [event] = received(server)
    assert event["context"]["dropped_events"] == 2 + 999
    assert gate.check({key: event[key] for key in event if key != "request_ip"}, DECLARED).event is not None
    assert not Path(user.where.spool, "dropped").exists()
