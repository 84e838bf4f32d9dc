"""Columns that open an account, whatever they are called: they are not read, and nowhere shown."""

from syncd.files.templates import plain

_PARTS, _WORDS = ("password", "passwd", "passcode", "passphrase"), frozenset({"pwd", "pin", "secret"})


def is_unread(column: str) -> bool:
    """Whether a column's name says that it has such a thing in it."""
    name = plain(column)
    return name in _WORDS or any(part in name for part in _PARTS)


def is_password(column: str) -> bool:
    """Whether it is the one that is kept as a hash, of a source that asks for it."""
    return plain(column) == "password"
