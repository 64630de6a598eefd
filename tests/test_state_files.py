"""Whatever a file of ours holds: no error but StorageError, and never more leave to record than was in it before."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Optional, TypeVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from state_files import THINGS
from support import MANIFEST, TOOL, User
from test_stamp import DIGEST

from cli_analytics import Analytics, breaker, consent, identity, log, notice, status, storage
from cli_analytics import spool as spool_module
from cli_analytics.breaker import Breaker
from cli_analytics.claims import Claims
from cli_analytics.consent import NOBODY, Stamp
from cli_analytics.spool import Spool
from cli_analytics.storage import Storage, StorageError

pytestmark = pytest.mark.slow

Found = TypeVar("Found")
quickly = settings(deadline=None, max_examples=150)

SINK = "segment-1a2b3c4d5e6f"
CLIENT_ID = b"2f8a3c1e-0b5d-4e6f-9a7b-1c2d3e4f5a6b\n"
OFF = b"off 2026-01-02\n"
ENTRY = {"sent_at": "2026-01-02T03:04:05.678Z", "delivery": "DELIVERED", "status": 200, "events": 2, "body": "{}"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*ENTRY, "sent", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    found = storage.locate(TOOL, {"HOME": str(tmp_path_factory.mktemp("home"))})
    storage.make_folder(found.config)
    storage.make_folder(found.state)
    return found


def read_from(path: str, content: bytes, read: Callable[..., Found], argument: object) -> Optional[Found]:
    """What is read where a file holds that; None for a StorageError. The file stays as it is."""
    Path(path).write_bytes(content)
    try:
        return read(argument)
    except StorageError:
        return None
    finally:
        assert Path(path).read_bytes() == content


def cuts(content: bytes) -> Iterator[bytes]:
    """The beginnings of it, from nothing to all but the last byte."""
    return (content[:length] for length in range(len(content)))


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """With one byte changed, lost, doubled or put in; or with a byte order mark, CRLF, or zeros at its end."""
    at, byte = draw(st.integers(0, len(content) - 1)), draw(st.binary(min_size=1, max_size=1))
    changes = [byte, b"", content[at : at + 1] * 2, byte + content[at : at + 1]]
    spliced = [content[:at] + change + content[at + 1 :] for change in changes]
    others = [b"\xef\xbb\xbf" + content, content.replace(b"\n", b"\r\n"), content[:at].ljust(len(content), b"\0")]
    return draw(st.sampled_from([*spliced, *others, content.decode().encode("utf-16")]))


@quickly
@given(st.binary(max_size=60) | damaged(CLIENT_ID))
@example(b"")
@example(CLIENT_ID.upper())
def test_a_client_id_is_one_or_is_no_more_used(where: Storage, content: bytes) -> None:
    found = read_from(where.client_id, content, identity.known, where)
    assert found == read_from(where.client_id, content, identity.create, where), "what is there is not replaced"
    assert found is None or (found.encode() == content.strip() and uuid.UUID(found).hex == found.replace("-", ""))


def test_a_client_id_has_nothing_after_it(where: Storage) -> None:
    assert read_from(where.client_id, CLIENT_ID.strip() + b"-", identity.known, where) is None


def test_a_client_id_that_was_cut_off_is_none(where: Storage) -> None:
    found = [read_from(where.client_id, content, identity.known, where) for content in cuts(CLIENT_ID)]
    assert found == [None] * (len(CLIENT_ID) - 1) + [CLIENT_ID.decode().strip()], "a newline is no part of it"


@quickly
@given(st.binary(max_size=40) | damaged(b"on 2026-01-02\n"))
@example(b"ON\n")
@example(b"on\0\0\0")
def test_a_choice_is_on_only_if_it_says_so(where: Storage, content: bytes) -> None:
    found = read_from(where.choice, content, consent.read_choice, where.choice)
    assert found in (None, "on", "off")
    assert found != "on" or re.match(rb"\s*on(\s|$)", content)


@quickly
@given(damaged(OFF))
def test_no_damage_makes_an_off_an_on(where: Storage, content: bytes) -> None:
    assert read_from(where.choice, content, consent.read_choice, where.choice) in ("off", None)


def test_a_choice_of_off_that_was_cut_off_stays_one(where: Storage) -> None:
    found = [read_from(where.choice, content, consent.read_choice, where.choice) for content in cuts(OFF)]
    assert set(found) == {None, "off"}


def stamp_of(where: Storage, told: str) -> bytes:
    """A stamp of a manifest that says no to as much as it can."""
    policy: dict[str, Any] = {"default": "off", "ci": "off", "opt_out_env": ("MYTOOL_OFF",), "ends": "2026-01-02"}
    notice.write_stamp(where, Stamp(told, "2026-01-02", DIGEST, MANIFEST.encode(), **policy))
    return Path(where.stamp).read_bytes()


@quickly
@given(st.data())
@pytest.mark.parametrize("told", [NOBODY, DIGEST, "e" * 64])
def test_no_damage_informs_anybody_or_says_yes(where: Storage, told: str, data: st.DataObject) -> None:
    """Of the end date and the variables that say no a run may be mistaken; the sender then asks the manifest itself."""
    found = read_from(where.stamp, data.draw(damaged(stamp_of(where, told))), consent.read_stamp, where)
    assert found is None or (found.default != "on" and found.ci != "on")
    assert found is None or not found.informed or told == DIGEST


@quickly
@given(st.binary(max_size=300))
@example(b"told: x y\ndisclosure: x\ndefault: on\nci: on\nopt_out_env:\nends:")
def test_a_stamp_of_whatever_bytes_vouches_for_no_manifest(where: Storage, content: bytes) -> None:
    found = read_from(where.stamp, content, consent.read_stamp, where)
    assert found is None or found.manifest != MANIFEST.encode()


def test_a_stamp_that_was_cut_off_vouches_for_no_manifest(where: Storage) -> None:
    """So the manifest is parsed anew, and its policy counts."""
    found = [read_from(where.stamp, content, consent.read_stamp, where) for content in cuts(stamp_of(where, DIGEST))]
    assert not [stamp for stamp in found if stamp is not None and stamp.manifest == MANIFEST.encode()]
    assert None in found


@quickly
@given(st.binary(max_size=80) | damaged(b"segment-1a2b3c4d5e6f: 3 1767323045\nga4-6f5e4d3c2b1a: 0 0 1.2.3\n"))
@example(b"segment-1a2b3c4d5e6f: 1 " + b"9" * 5000 + b"\n")
@example(b"segment-1a2b3c4d5e6f: -1 1\n")
@example(b"\n")
def test_a_breaker_of_whatever_bytes_raises_nothing_else(where: Storage, content: bytes) -> None:
    found = read_from(where.breaker, content, breaker.read, where)
    assert found is None or isinstance(found.due("1.2.3"), bool)
    assert found is None or isinstance(found.is_gone("1.2.3"), bool)
    assert found is None or isinstance(found.of(SINK).due("1.2.3"), bool)


def kept(where: Storage, known: Breaker) -> bytes:
    lines = f"{SINK}: {known.failures} {known.not_before} {' '.join(known.gone)}\n"
    Path(where.breaker).write_text(lines, encoding="ascii")
    return lines.encode()


def test_a_pause_that_was_cut_off_is_still_one(where: Storage) -> None:
    content = kept(where, Breaker(3, int(time.time()) + 3600))
    found = [read_from(where.breaker, cut, breaker.read, where) for cut in cuts(content)]
    assert not [known for known in found if known is not None and known.due("1.2.3")]
    assert not [known for known in found if known is not None and known.of(SINK).due("1.2.3")]


def test_an_endpoint_that_is_gone_stays_gone_where_the_list_of_versions_was_cut_off(where: Storage) -> None:
    content = kept(where, Breaker(gone=("1.2.3", "1.2.4")))
    found = [read_from(where.breaker, cut, breaker.read, where) for cut in cuts(content)]
    assert not [known for known in found if known is not None and known.due("1.2.4")]
    assert not [known for known in found if known is not None and known.of(SINK).due("1.2.4")]


def test_of_many_sinks_no_cut_off_pause_is_none(where: Storage) -> None:
    """Nor is any pause too long for having been cut off: it is a day from when the file was written."""
    pause = int(time.time()) + 3600
    lines = f"{SINK}: 1 {pause}\nother: 0 0 1.2.3\nlast: 3 {pause}\n"
    found = [read_from(where.breaker, cut, breaker.read, where) for cut in cuts(lines.encode())]
    assert None not in found
    torn = [known for known in found if known is not None and known.torn]
    assert len(torn) == len(lines) - 2, "but for where a line ends"
    assert not [known for known in found if known is not None and known.of(SINK).due("1.2.3")]
    assert not [known for known in torn if known.due("1.2.3")]


@quickly
@given(
    st.binary(max_size=200) | damaged(json.dumps(ENTRY).encode() + b"\n") | JSON.map(lambda it: json.dumps(it).encode())
)
@example(b"[" * 100_000)
@example(b'{"sent": {"events": "many"}}')
@example(b'{"delivery": ["DELIVERED"], "status": {}, "sent": {"events": 1e999}}')
def test_a_log_of_whatever_bytes_can_be_read_and_added_to(where: Storage, content: bytes) -> None:
    entries = read_from(where.log, content, log.read, where)
    assert entries is not None
    assert all(isinstance(entry, dict) for entry in entries)
    assert set(map(type, log.totals(entries).values())) <= {int, bool}
    log.append(where, ENTRY)
    assert log.read(where)[-1]["body"] == ENTRY["body"]


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(str(tmp_path / "spool"))


@quickly
@given(
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=60).filter(
        lambda name: name not in (".", "..")
    )
)
@example("0000000000001-abc-3.json")
@example(f"{'9' * 100}-a-{'9' * 100}.json")
def test_whatever_lies_in_the_spool_is_no_event_or_can_be_claimed(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    spool = Spool(str(tmp_path_factory.mktemp("spool")))
    spool.append(b"one")
    Path(os.fsencode(spool.path("new", name)).decode(errors="surrogateescape")).write_bytes(b"{}")
    assert len(spool.waiting()) == 1 + bool(spool_module.size(name))
    assert b"one" in [content for _, content in Claims(spool, [SINK]).claim(SINK)]


def test_an_event_that_cannot_wait_is_an_error_and_leaves_no_draft(spool: Spool) -> None:
    spool.append(b"one")
    shutil.rmtree(spool.path("new"))
    Path(spool.path("new")).write_bytes(b"")
    with pytest.raises(StorageError):
        spool.append(b"two")
    assert os.listdir(spool.path("tmp")) == []


@pytest.mark.parametrize("thing", THINGS)
def test_what_cannot_be_counted_is_dropped_all_the_same(spool: Spool, thing: str) -> None:
    spool.append(b"one")
    THINGS[thing](Path(spool.path("dropped")))
    dropping = threading.Thread(target=spool.drop, args=spool.waiting(), daemon=True)
    dropping.start()
    dropping.join(20)
    assert not dropping.is_alive(), "a FIFO has no reader, and never will have"
    assert spool.waiting() == []


@pytest.mark.parametrize("part", ["new", "claimed/sink", "dropped"])
def test_what_cannot_be_deleted_keeps_nothing_else(spool: Spool, part: str) -> None:
    spool.append(b"one")
    Claims(spool, ["sink", "other"]).claim("sink")
    spool.append(b"two")
    Path(spool.path("" if part == "dropped" else part, "dropped")).mkdir()
    with pytest.raises(StorageError, match="dropped"):
        spool.clear()
    assert spool.is_empty()


FILES: dict[str, Callable[[Storage], str]] = {
    "client-id": lambda where: where.client_id,
    "choice": lambda where: where.choice,
    "choice for all tools": lambda where: where.user_choice,
    "stamp": lambda where: where.stamp,
    "sent.ndjson": lambda where: where.log,
    "breaker": lambda where: where.breaker,
}


@settings(deadline=None, max_examples=60)
@given(
    content=st.binary(max_size=200) | damaged(OFF) | damaged(CLIENT_ID) | JSON.map(lambda it: json.dumps(it).encode())
)
@pytest.mark.parametrize("name", FILES)
def test_whatever_a_file_holds_status_says_so(
    tmp_path_factory: pytest.TempPathFactory, name: str, content: bytes
) -> None:
    user = User(tmp_path_factory.mktemp("user"))
    host = Analytics(TOOL, version="1.2.3", manifest=user.manifest, record_in_tests=True, environ=user.environ)
    path = Path(FILES[name](user.where))
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    found = status.status(host)
    assert found["recording"] is False, "nobody was told"
    assert status.as_text(found).encode("utf-8", "strict")
    assert json.loads(json.dumps(found))
