"""Passwords: which are good enough (NIST SP 800-63B: by length, with no rules of composition), and how they are kept (Argon2id, by the
defaults of argon2-cffi, which are those of RFC 9106 for little memory: 64 MiB)."""

import secrets
import unicodedata
from functools import cache
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from syncd.account import folded
from syncd.errors import AccountError

SHORTEST, LONGEST = 12, 1_000

_hasher = PasswordHasher()
# So many at once: each takes its memory, and a crowd at the door shall not end the process.
_places = BoundedSemaphore(2)


def check(password: str, name: str) -> None:
    """Raises AccountError, without the password, when it is not good enough for an account of that name."""
    length = len(_normal(password))
    if length < SHORTEST:
        raise AccountError(
            f"the password has {length} characters.", advice=f"Take {SHORTEST} or more: some words in a row are easy to keep."
        )
    if length > LONGEST:
        raise AccountError(f"the password has {length} characters.", advice=f"Take {LONGEST} at most.")
    if folded(password) == name:
        raise AccountError("the password is the account's name.", advice="Take another.")


def hashed(password: str) -> str:
    """What is kept of a password: its hash, with the salt and the parameters."""
    with _places:
        return _hasher.hash(_bytes(password))


def verify(kept: str | None, password: str) -> bool:
    """Whether a password is the one of which the hash was kept. Without a hash (None) it takes the same time, and is False."""
    nobodys = _nobodys()
    if len(_normal(password)) > LONGEST:
        kept, password = None, ""
    try:
        with _places:
            _hasher.verify(kept or nobodys, _bytes(password))
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None


def is_outdated(kept: str) -> bool:
    """Whether a hash was made with other parameters than one would be today."""
    return _hasher.check_needs_rehash(kept)


@cache
def _nobodys() -> str:
    return _hasher.hash(secrets.token_bytes())


def _normal(password: str) -> str:
    """The same letters typed on another keyboard may be other code points (SP 800-63B, 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


def _bytes(password: str) -> bytes:
    return _normal(password).encode("utf-8", "surrogatepass")
