"""TLS: a certificate authority of our own, made when the tests run, and the ways in which a certificate is wrong."""

from __future__ import annotations

import datetime
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
import trustme

HOST = "localhost"
PAST = datetime.datetime(2001, 2, 3, tzinfo=datetime.timezone.utc)

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl names the files of SSL_CERT_DIR")


class Authority:
    """Vouches for servers. `file` is what its clients have to trust."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self.file = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(self.file)

    def vouch(self, *names: str, is_over: bool = False) -> ssl.SSLContext:
        """What a server of these names talks with."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        begin, end = (PAST, PAST + datetime.timedelta(days=1)) if is_over else (None, None)
        self._authority.issue_cert(*(names or (HOST,)), not_before=begin, not_after=end).configure_cert(context)
        return context

    def folder(self) -> Path:
        """A folder as SSL_CERT_DIR names it: in it, each file has the name by which OpenSSL looks for it."""
        hashed = subprocess.run(
            ["openssl", "x509", "-noout", "-hash", "-in", self.file], capture_output=True, text=True, check=True
        )
        folder = self.file.with_name("authorities")
        folder.mkdir()
        shutil.copy(self.file, folder / f"{hashed.stdout.strip()}.0")
        return folder


def self_signed(folder: Path) -> ssl.SSLContext:
    """A server that vouches for itself."""
    return Authority(folder).vouch()
