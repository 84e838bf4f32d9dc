"""Passwords: which are good enough (NIST SP 800-63B: by length, with no rules of composition), and how they are kept (Argon2id, by the
defaults of argon2-cffi, which are those of RFC 9106 for little memory: 64 MiB)."""

import hashlib
import secrets
import unicodedata
from functools import cache
from threading import BoundedSemaphore

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import hash_secret_raw

from syncd.account import folded
from syncd.errors import AccountError

SHORTEST, LONGEST = 12, 1_000

_hasher = PasswordHasher()
# Of people of the roster, who may be a hundred thousand: OWASP's least (Password Storage Cheat Sheet: 19 MiB, two passes).
_of_people = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# So many at once: each takes its memory, and a crowd at the door shall not end the process. A class that signs in keeps no administrator
# out.
_places, _places_of_people = BoundedSemaphore(2), BoundedSemaphore(2)


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
    with _places:
        return _verify(_hasher, kept or _nobodys(), password) and kept is not None


def verify_persons(kept: str | None, password: str) -> bool:
    """The same of a person of the roster."""
    with _places_of_people:
        return _verify(_of_people, kept or _no_persons(), password) and kept is not None


def _verify(hasher: PasswordHasher, kept: str, password: str) -> bool:
    possible = is_possible(password)
    try:
        hasher.verify(kept, _bytes(password) if possible else b"")
    except (VerificationError, InvalidHashError):
        return False
    return possible


def is_possible(password: str) -> bool:
    """Whether it is no longer than a password may be."""
    return len(_normal(password)) <= LONGEST


def slow_digest(text: str, of: str) -> str:
    """A digest that takes as long to make as a person's hash: what passwords may have gone into, among what is known otherwise, is not to
    be tried out more quickly than they are. of: whose; the same text gives the same."""
    salt = hashlib.blake2b(of.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    raw = hash_secret_raw(text.encode(), salt, time_cost=2, memory_cost=19 * 1024, parallelism=1, hash_len=16, type=Type.ID)
    return raw.hex()


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
