"""Planted: secrets, and a search that finds them again in whatever form they may have left.

A secret is found by any eight characters of it in a row: plain, in capitals, backwards, percent-encoded, in UTF-16, in
hexadecimal digits or in Base64; and by a hash of the whole of it.
"""

from __future__ import annotations

import base64
import hashlib
import random
import string
import urllib.parse
from collections.abc import Iterator

LENGTH = 16
WINDOW = 8
HASHES = ("md5", "sha1", "sha256", "sha512")


class Planted:
    """Secrets, each with the place it was planted in."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self.secrets: dict[str, str] = {}

    def new(self, place: str) -> str:
        """A secret that can also be a name in Python, a host's or a file's."""
        first, rest = string.ascii_lowercase, string.ascii_lowercase + string.digits
        secret = self._dice.choice(first) + "".join(self._dice.choices(rest, k=LENGTH - 1))
        self.secrets[secret] = place
        return secret

    def fill(self, words: str) -> str:
        """The words with a new secret in the place of each `{}`."""
        while "{}" in words:
            words = words.replace("{}", self.new(words), 1)
        return words

    def found(self, content: bytes) -> dict[str, str]:
        """The secrets in the content, each with its place and the form it was found in."""
        views = list(_views(content))
        return {
            f"{secret} ({place})": form
            for secret, place in self.secrets.items()
            for form, pattern in _forms(secret)
            if any(pattern in view for view in views)
        }


def _views(content: bytes) -> Iterator[bytes]:
    yield content
    yield content.lower()
    yield urllib.parse.unquote_to_bytes(content).lower()
    yield content.replace(b"\0", b"").lower()


def _forms(secret: str) -> Iterator[tuple[str, bytes]]:
    for start in range(LENGTH - WINDOW + 1):
        window = secret[start : start + WINDOW].encode()
        yield "plain", window
        yield "backwards", window[::-1]
        yield "hexadecimal", window.hex().encode()
        for text in (window, window.upper()):
            yield from (("base64", pattern) for pattern in _in_base64(text))
    for name in HASHES:
        digest = hashlib.new(name, secret.encode()).digest()
        yield name, digest.hex().encode()
        yield name, base64.b64encode(digest).rstrip(b"=")


def _in_base64(text: bytes) -> Iterator[bytes]:
    """What of the text is the same wherever in other text it stands: it may begin at each of three places."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + text)
        yield encoded[-(-before * 8 // 6) : (before + len(text)) * 8 // 6]
