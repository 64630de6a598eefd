"""What the user was told, kept byte for byte beside the manifest that it was about."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli_analytics import consent, notice, storage
from cli_analytics.consent import NOBODY, Stamp
from cli_analytics.storage import Storage, StorageError

DIGEST = "d" * 64


def a_stamp(told: str = DIGEST, manifest: bytes = b"schema = 1\n", **policy: str) -> Stamp:
    settings_ = {"default": "on", "ci": "off", "ends": "2028-11-21", **policy}
    return Stamp(told, "2026-01-02", DIGEST, manifest, opt_out_env=("MYTOOL_OFF", "SQA_OPT_OUT"), **settings_)


@pytest.fixture
def where(tmp_path: Path) -> Storage:
    return storage.locate("mytool", {"HOME": str(tmp_path)})


def test_where_there_is_none_nobody_was_told(where: Storage) -> None:
    assert consent.read_stamp(where) is None


def test_what_is_written_is_read(where: Storage) -> None:
    written = a_stamp()
    notice.write_stamp(where, written)
    found = consent.read_stamp(where)
    assert found is not None
    for name in ("told", "date", "disclosure", "manifest", "default", "ci", "opt_out_env", "ends", "informed"):
        assert getattr(found, name) == getattr(written, name), name


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=300) | st.just(b"\n\n") | st.just(b"told: x\n\n") | st.just(b"\r\n\r\n"))
def test_the_manifest_is_kept_byte_for_byte(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    where = storage.locate("mytool", {"HOME": str(tmp_path_factory.mktemp("home"))})
    notice.write_stamp(where, a_stamp(manifest=content))
    found = consent.read_stamp(where)
    assert found is not None
    assert found.manifest == content


def test_a_policy_may_be_empty(where: Storage) -> None:
    written = Stamp(NOBODY, "2026-01-02", DIGEST, b"", default="off", ci="on", opt_out_env=(), ends="")
    notice.write_stamp(where, written)
    found = consent.read_stamp(where)
    assert found is not None
    assert (found.opt_out_env, found.ends, found.default, found.ci) == ((), "", "off", "on")


@pytest.mark.parametrize(("told", "informed"), [(DIGEST, True), (NOBODY, False), ("e" * 64, False)])
def test_informed_is_who_was_told_what_is_disclosed_now(told: str, informed: bool) -> None:
    assert a_stamp(told).informed is informed


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"told: x\n\nschema = 1",
        b"told: x 2026-01-02\ndisclosure: x\n\n",
        b"told: \ndisclosure: x\ndefault: on\nci: off\nopt_out_env: \nends: \n\n",
        b"\xff\xfe\n\n",
        b"told x 2026\n\n",
    ],
)
def test_what_is_no_stamp_is_an_error_so_nobody_was_told(where: Storage, content: bytes) -> None:
    storage.replace(where.stamp, content)
    with pytest.raises(StorageError, match="stamp"):
        consent.read_stamp(where)


def test_a_folder_in_its_place_is_an_error(where: Storage) -> None:
    os.makedirs(where.stamp)
    with pytest.raises(StorageError):
        consent.read_stamp(where)
