"""Passwords that a source asks to keep, on their way from the cell to their hash.

They are sealed where they are read, under a key that the store does not have: no document, no fingerprint and no staging table has anything
in it that somebody with the store could open, or try words on. The same password of the same person is sealed the same (AES-SIV, RFC 5297),
so that a document that did not change is known again.
"""

import base64
import hashlib
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from syncd.errors import SourceError
from syncd.password import is_possible
from syncd.roster.fields import text
from syncd.secret import MissingSecret, Secret

# Of a document: where the sealed password stands. No column gets into a document under a name that begins so.
FIELD = "_password"
# Letters of a key.
SHORTEST_KEY = 32
# Of a sealed password, so many bytes say whether it is the same (RFC 5297: the synthetic initialization vector).
_MARK = 16


class SealedPassword(NamedTuple):
    """A user's, sealed."""

    user_id: str
    sealed: str


class Seal:
    """Seals and opens a source's passwords. Raises SourceError without a key that is one."""

    def __init__(self, key: Secret, source: str) -> None:
        self._source = source.encode()
        try:
            word = key.reveal()
        except MissingSecret as problem:
            raise SourceError(f"{source}: password_key: {problem}.") from None
        if len(word) < SHORTEST_KEY:
            raise SourceError(
                f"{source}: password_key has fewer than {SHORTEST_KEY} letters.", advice="`syncd db new-key` makes one that will do."
            )
        self._cipher = AESSIV(hashlib.blake2b(word.encode("utf-8", "surrogateescape"), digest_size=64, person=b"syncd passwords").digest())

    def seal(self, user_id: str, password: str) -> str | None:
        """A text that only this key opens, and only as this user's. None for no password, and for what is longer than one can be."""
        if not password or not is_possible(password):
            return None
        sealed = self._cipher.encrypt(password.encode("utf-8", "surrogatepass"), self._bound(user_id))
        return base64.b64encode(sealed).decode()

    def open(self, user_id: str, sealed: str) -> str | None:
        """The password; None for a text that is not of this key and user."""
        try:
            raw = base64.b64decode(sealed, validate=True)
            opened = self._cipher.decrypt(raw, self._bound(user_id))
        except (InvalidTag, ValueError):
            return None
        return opened.decode("utf-8", "surrogatepass")

    def _bound(self, user_id: str) -> list[bytes]:
        """What it is bound to. (The id as a cell has it, and as the roster does, are one.)"""
        return [self._source, (text(user_id) or "").encode("utf-8", "surrogatepass")]


def mark(sealed: str) -> bytes | None:
    """16 bytes that are others when the password is: without the key nobody can tell from them whether a word is the one. None for a text
    that is not sealed."""
    try:
        found = base64.b64decode(sealed, validate=True)
    except ValueError:
        return None
    return found[:_MARK] if len(found) > _MARK else None
