"""A first run that somebody else has spoken for: a launcher that hands over, a deployer's yes in a container."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import User, user_at
from watch import until

from cli_analytics import disclosure, manifest

ID = "0b7e2f9a-1c3d-4e5f-8a9b-0c1d2e3f4a5b"


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    with user_at(tmp_path) as somebody:
        somebody.settle()
        yield somebody


def handed(user: User, digest: str = "", verdict: str = "on") -> dict[str, str]:
    digest = digest or disclosure.digest(manifest.load(str(user.manifest)))
    return {"CLI_ANALYTICS_HANDOVER": f"1:{ID}:{digest}:{verdict}"}


def ids(user: User) -> list[str]:
    return [json.loads(path.read_bytes())["anonymousId"] for path in user.kept()]


def test_who_was_told_by_the_launcher_is_not_told_again_and_keeps_the_id(user: User) -> None:
    shown = user.on_terminal("hello", **handed(user))
    assert shown == (0, "hello\n", "")
    until(lambda: ids(user) == [ID])
    assert not os.path.exists(user.where.client_id), "the id is the launcher's"


def test_who_was_told_about_another_manifest_was_not_told(user: User) -> None:
    assert user.run("hello", **handed(user, digest="d" * 64)).stderr == ""
    assert ids(user) == []
    shown = user.on_terminal("hello", **handed(user, digest="d" * 64))
    assert shown == (0, "hello\n", ""), "a notice is for the launcher to show"
    assert ids(user) == []


def test_the_yes_of_an_opt_in_is_handed_over_for_this_manifest_and_no_other(user: User) -> None:
    text = user.manifest.read_text(encoding="utf-8")
    user.manifest.write_text(text.replace("[policy]", '[policy]\ndefault = "off"'), encoding="utf-8")
    other = handed(user, digest="d" * 64)
    assert user.on_terminal("hello", **other) == user.on_terminal("hello", **other) == (0, "hello\n", "")
    assert ids(user) == []
    assert user.run("hello", **handed(user)).stderr == ""
    until(lambda: ids(user) == [ID])


@pytest.mark.parametrize("text", ["1:off", f"1:{ID}:{'d' * 64}:off"])
def test_a_hand_over_that_says_no_leaves_nothing(user: User, text: str) -> None:
    assert user.on_terminal("hello", CLI_ANALYTICS_HANDOVER=text) == (0, "hello\n", "")
    assert list(Path(user.where.state).iterdir()) == []


def test_outside_of_a_container_who_set_the_variable_knows(user: User) -> None:
    if os.path.exists("/.dockerenv") or os.path.exists("/run/.containerenv"):
        pytest.skip("this is a container")
    assert user.run("hello", SEND_ANONYMOUS_USAGE_INFO="true").stderr == ""


def test_an_id_older_than_the_manifest_allows_is_replaced_with_the_next_sending(user: User) -> None:
    text = user.manifest.read_text(encoding="utf-8")
    user.manifest.write_text(text.replace("[policy]", "[policy]\nrotate_id_days = 30"), encoding="utf-8")
    user.inform()
    user.run("hello")
    first = Path(user.where.client_id).read_text(encoding="ascii")
    then = time.time() - 31 * 24 * 3600
    os.utime(user.where.client_id, (then, then))
    user.end()
    Path(user.where.breaker).unlink(missing_ok=True)
    user.run("hello")
    until(lambda: not os.path.exists(user.where.client_id))
    user.run("hello")
    assert Path(user.where.client_id).read_text(encoding="ascii") not in (first, "")
