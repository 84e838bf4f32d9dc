"""Fields that open an account, whatever they are called: they are not read, and nowhere shown."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

_PARTS, _WORDS = ("password", "passwd", "passcode", "passphrase"), frozenset({"pwd", "pin", "secret"})


@lru_cache(1000)
def is_unread(name: str) -> bool:
    """Whether a field's name says that it has such a thing in it."""
    plain = _plain(name)
    return plain in _WORDS or any(part in plain for part in _PARTS)


def is_password(name: str) -> bool:
    """Whether it is the one that is kept as a hash, of a source that asks for it."""
    return _plain(name) == "password"


def without_unread(sent: Mapping[str, Any]) -> dict[str, Any]:
    """What was sent, without such fields in it, and in what lies in it (OneRoster's `metadata`)."""
    return {name: without_unread(value) if isinstance(value, dict) else value for name, value in sent.items() if not is_unread(name)}


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
