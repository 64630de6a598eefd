"""Promise 6, show me: what would be sent, what was sent byte for byte, and nothing is sent or changed by looking."""

from __future__ import annotations

import base64
import json
import operator
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import audit
import breakers
import pytest
from recorder import Recorder, recorder
from support import MANIFEST, User, user_at
from test_off_means_off import SOURCES
from watch import listing, needs_proc, processes_at, until

from cli_analytics import event, log, manifest, sender
from cli_analytics.gate import admit
from cli_analytics.spool import Spool

pytestmark = pytest.mark.slow

KEY = base64.b64encode(b"key-of-mytool:")
DEBUG = {"CLI_ANALYTICS_DEBUG": "1"}


@pytest.fixture
def server() -> Iterator[Recorder]:
    with recorder() as running:
        yield running


@pytest.fixture
def user(tmp_path: Path, server: Recorder) -> Iterator[User]:
    """Somebody who was told, of whom two events wait, and whose sender may not start yet."""
    with user_at(tmp_path, server.url) as somebody:
        somebody.inform()
        breakers.hold(somebody.where)
        somebody.run("export", "7")
        assert len(somebody.appended()) == 2
        yield somebody


def look(user: User, *arguments: str) -> Any:
    """What a users' command prints as JSON."""
    return json.loads(user.run("analytics", *arguments, "--json").stdout)


def send(user: User) -> None:
    """Start the sender, and nothing else."""
    breakers.let_go(user.where)
    assert sender.start_if_due(user.where, manifest=str(user.manifest), version="1.2.3", environ=user.environ)


def sent(user: User, server: Recorder, requests: int = 1) -> list[str]:
    """The bodies that arrived, once there are so many and all of them are logged."""
    until(lambda: len(log.read(user.where)) == len(server.requests) >= requests)
    return [request.text for request in server.requests]


def at(body: dict[str, Any], sent_at: str) -> str:
    """A body of the preview as it would be sent at that time."""
    return event.encode({**body, "sentAt": sent_at})


def assert_sent_as_shown(user: User, server: Recorder) -> None:
    shown = look(user, "preview")
    send(user)
    bodies = sent(user, server, len(shown))
    assert [at(item["body"], json.loads(body)["sentAt"]) for item, body in zip(shown, bodies)] == bodies
    assert {item["to"] for item in shown} == {f"{server.url}/v1/batch"}


def test_what_is_sent_next_is_what_the_preview_has_shown_but_for_its_time(user: User, server: Recorder) -> None:
    assert_sent_as_shown(user, server)


def test_so_it_is_where_something_undeclared_waits(user: User, server: Recorder) -> None:
    planted = json.loads(user.waiting()[0].read_bytes())
    undeclared = {**planted, "messageId": "1", "properties": {**planted["properties"], "path": "/home/ada"}}
    for content in (event.encode(undeclared), event.encode({**planted, "event": "file_opened"}), "{", "[]", ""):
        Spool(user.where.spool).append(content.encode())
    assert_sent_as_shown(user, server)
    assert len(server.events) == 3


def test_so_it_is_after_some_were_dropped(user: User, server: Recorder) -> None:
    waiting = Spool(user.where.spool)
    waiting.append(b"{}")
    waiting.drop(waiting.waiting()[0])
    assert_sent_as_shown(user, server)


def held_by_a_killed_sender(user: User, how: str, path: Path) -> None:
    """As if it had been killed with that in its hands."""
    declared = manifest.load(str(user.manifest))
    queues = {
        "handing it out": "",
        "sending it": manifest.destinations(declared, user.environ)[0].key,
        "sending it elsewhere": declared.sinks[0].key,  # where the endpoint was another one then
    }
    folder = Path(user.where.spool, "claimed", queues[how])
    folder.mkdir(mode=0o700, exist_ok=True)
    path.rename(folder / path.name)


HELD = ("handing it out", "sending it", "sending it elsewhere")


@pytest.mark.parametrize("how", HELD)
def test_so_it_is_after_a_sender_was_killed(user: User, server: Recorder, how: str) -> None:
    for path in user.waiting():
        held_by_a_killed_sender(user, how, path)
    assert_sent_as_shown(user, server)
    assert len(server.events) == 2


@pytest.mark.parametrize("how", HELD)
def test_so_it_is_where_a_killed_sender_held_a_part(user: User, server: Recorder, how: str) -> None:
    killed, _ = user.waiting()
    held_by_a_killed_sender(user, how, killed)
    assert_sent_as_shown(user, server)
    assert len(server.wait(events=2)) == 2


@pytest.mark.parametrize("how", HELD)
def test_what_a_killed_sender_held_is_sent_although_nothing_new_waits(user: User, server: Recorder, how: str) -> None:
    for path in user.waiting():
        held_by_a_killed_sender(user, how, path)
    send(user)
    assert len(server.wait(events=2, seconds=6)) == 2


def test_so_it_is_where_an_event_is_too_old(user: User, server: Recorder) -> None:
    oldest = user.waiting()[0]
    oldest.rename(oldest.with_name(f"{1:013d}-{oldest.name.split('-', 1)[1]}"))
    assert_sent_as_shown(user, server)


def test_so_it_is_where_more_waits_than_one_request_takes(user: User, server: Recorder) -> None:
    kept = user.waiting()[0].read_bytes()
    for number in range(500):
        content = event.encode({**json.loads(kept), "messageId": str(number)}) if number % 5 else "{}"
        Spool(user.where.spool).append(content.encode())
    assert_sent_as_shown(user, server)


def test_the_log_has_every_byte_also_of_what_did_not_arrive(user: User, server: Recorder) -> None:
    server.status = 503
    send(user)
    sent(user, server)
    until(lambda: not user.senders())
    server.status = 200
    send(user)
    bodies = sent(user, server, requests=2)
    shown = look(user, "log")
    assert [item["body"] for item in shown] == bodies
    assert [item["bytes"] for item in shown] == [len(request.body) for request in server.requests]
    assert [(item["delivery"], item["status"]) for item in shown] == [("RETRY", 503), ("DELIVERED", 200)]
    text = user.run("analytics", "log").stdout
    assert all(f"\n{body}\n" in text for body in bodies)


@needs_proc
@pytest.mark.parametrize("command", ["status", "preview", "log"])
def test_looking_sends_nothing_starts_nothing_and_changes_nothing(user: User, server: Recorder, command: str) -> None:
    """The client of HTTP, when it is imported, asks the system for its own address; it speaks to nobody."""
    breakers.let_go(user.where)
    before = listing(user.folder)
    seen = audit.run(user.host, "analytics", command, environ=user.environ)
    assert seen.stdout
    harmless = ("socket.__new__", "socket.bind")
    assert [act for act in seen.acts if not act.startswith(harmless)] == []
    assert listing(user.folder) == before
    assert (server.requests, user.senders()) == ([], [])


def debugged(shown: str) -> tuple[list[dict[str, Any]], list[str]]:
    """The documents and the explanations on a debugging host's standard error."""
    lines = shown.splitlines()
    documents = [json.loads(line) for line in lines if line.startswith("{")]
    said = [line for line in lines if not line.startswith("{")]
    assert all(line.startswith("mytool analytics: ") and len(line) > 30 for line in said)
    return documents, said


def test_debug_shows_one_document_a_line_and_keeps_and_sends_nothing(user: User, server: Recorder) -> None:
    breakers.let_go(user.where)
    declared = manifest.parse(MANIFEST.encode())
    spooled = [admit(path.read_bytes(), declared.events) for path in user.waiting()]
    before = listing(user.folder)
    command = audit.command(user.host, "export", "7")
    environ = {**user.environ, **DEBUG}
    done = subprocess.run(command, env=environ, stdin=-3, capture_output=True, text=True, timeout=60)
    seen = audit.result(done.stdout)
    assert (seen.acts, seen.threads) == ([], 1)
    assert "socket" not in seen.modules
    assert listing(user.folder) == before
    shown, said = debugged(done.stderr)
    assert said == []
    by_name = operator.itemgetter("event")  # which of one millisecond waits longer is chance
    wait = sorted((found for found in spooled if found), key=by_name)
    assert list(map(without_chance, sorted(shown, key=by_name))) == list(map(without_chance, wait))
    assert len(wait) == len(spooled)
    assert server.requests == []


def without_chance(found: dict[str, Any]) -> dict[str, Any]:
    """An event without what is different each time."""
    assert len(found.pop("messageId")) == 36
    assert found.pop("timestamp")
    assert found["context"].pop("sessionId")
    found["properties"].pop("duration_ms", None)
    return found


@pytest.mark.parametrize("source", [name for name in SOURCES if "all tools" not in name])
def test_debug_says_in_one_line_each_why_nothing_is_recorded(tmp_path: Path, source: str) -> None:
    off = SOURCES[source]
    with user_at(tmp_path) as user:
        off.prepare(user)
        before = listing(user.folder)
        done = user.run(*off.arguments, "export", "7", **{**off.environ, **DEBUG})
        assert (done.returncode, done.stdout) == (0, "")
        assert debugged(done.stderr)[0] == []
        assert len(done.stderr.splitlines()) == 2, "one for each event"
        assert listing(user.folder) == before


def test_an_explanation_is_one_line_whatever_the_error_says(tmp_path: Path) -> None:
    with user_at(tmp_path) as user:
        user.manifest.write_text('"two\\nlines" = 1\n', encoding="utf-8")
        done = user.run("hello", SEND_ANONYMOUS_USAGE_INFO="true", **DEBUG)
        assert debugged(done.stderr)[1]


@needs_proc
def test_the_key_is_in_the_arguments_and_the_environment_of_no_process(user: User, server: Recorder) -> None:
    """Nor is it in what the host, the sender or a shell between them was started with."""
    use_key(user, server)
    server.answering.clear()
    send(user)
    until(lambda: server.requests)
    assert server.requests[0].headers["Authorization"] == f"Basic {KEY.decode()}"
    host = user.start("wait", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    until(lambda: host.pid in processes_at(user.home) and user.senders())
    seen = {pid: started_with(pid) for pid in processes_at(user.home)}
    host.kill()
    host.communicate()
    assert len(seen) >= 2
    assert [pid for pid, said in seen.items() if b"key-of-mytool" in said or KEY in said] == []


def use_key(user: User, server: Recorder) -> None:
    """Send to where the manifest says, with the key that it has."""
    del user.environ["CLI_ANALYTICS_ENDPOINT"]
    text = user.manifest.read_text(encoding="utf-8")
    user.manifest.write_text(text.replace("http://127.0.0.1:9", server.url), encoding="utf-8")


def test_the_key_is_in_nothing_that_is_shown(user: User, server: Recorder) -> None:
    use_key(user, server)
    send(user)
    [body] = sent(user, server)
    assert KEY.decode() in server.requests[0].headers["Authorization"]
    said = [body, user.run("hello", SEND_ANONYMOUS_USAGE_INFO="true", **DEBUG).stderr]
    for command in ("status", "preview", "log"):
        said += [user.run("analytics", command).stdout, user.run("analytics", command, "--json").stdout]
    assert [text for text in said if "key-of-mytool" in text or KEY.decode() in text] == []


def started_with(pid: int) -> bytes:
    return b"".join(Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ"))
