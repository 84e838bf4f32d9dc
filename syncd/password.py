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
# Of people of the roster, who may be a hundred thousand: OWASP's least (Password Storage Cheat Sheet: 19 MiB, two passes).
_of_people = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
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


def hashed_persons(password: str) -> str:
    """The same of a password that a school made for a person of the roster."""
    return _of_people.hash(_bytes(password))


def verify(kept: str | None, password: str) -> bool:
    """Whether a password is the one of which the hash was kept. Without a hash (None) it takes the same time, and is False."""
    return _verify(_hasher, kept or _nobodys(), password) and kept is not None


def verify_persons(kept: str | None, password: str) -> bool:
    """The same of a person of the roster."""
    return _verify(_of_people, kept or _no_persons(), password) and kept is not None


def _verify(hasher: PasswordHasher, kept: str, password: str) -> bool:
    too_long = len(_normal(password)) > LONGEST
    try:
        with _places:
            hasher.verify(kept, b"" if too_long else _bytes(password))
    except (VerificationError, InvalidHashError):
        return False
    return not too_long


def is_outdated(kept: str) -> bool:
    """Whether a hash was made with other parameters than one would be today."""
    return _hasher.check_needs_rehash(kept)


@cache
def _nobodys() -> str:
    return _hasher.hash(secrets.token_bytes())


@cache
def _no_persons() -> str:
    return _of_people.hash(secrets.token_bytes())


def _normal(password: str) -> str:
    """The same letters typed on another keyboard may be other code points (SP 800-63B, 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


def _bytes(password: str) -> bytes:
    return _normal(password).encode("utf-8", "surrogatepass")
