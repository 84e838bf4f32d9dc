"""Sealing the secrets that somebody pasted: whoever has the database alone, or a backup of it, has none of them.

What is sealed is bound to what it is for: its source, its key, and the addresses that it is sent to. So it opens for nothing else; whoever
can write to the database, but has no key, can not lead it to an address of their own by changing the settings beside it.

The key stands in `[console] key`; without that, where one machine has the store for itself, in a file beside the store, which is made when
it is first needed. Several keys may stand there: the first seals, each opens, so that one can take the place of another.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from syncd.errors import ConfigError
from syncd.secret import HOW, MissingSecret, Secret, remember
from syncd.settings.file import Settings
from syncd.store import Store, keyfile
from syncd.store.columns import canonical

MAKE_ONE = "`syncd db new-key` makes one"


class CanNotOpen(ValueError):
    """The text was sealed with another key, or for something else."""


class Vault:
    """Seals and opens. keys: the one to seal with first. Raises ValueError for what is no key."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def seal(self, secret: str, bound: Mapping[str, Any]) -> str:
        """A text that only a vault with this key opens, and only for what it is bound to (JSON values)."""
        return self._fernet.encrypt(canonical({"bound": bound, "secret": secret}).encode()).decode()

    def open(self, sealed: str, bound: Mapping[str, Any]) -> str:
        """The secret. Raises CanNotOpen."""
        try:
            found = msgspec.json.decode(self._fernet.decrypt(sealed))
        except (InvalidToken, msgspec.DecodeError):
            raise CanNotOpen from None
        if canonical(found["bound"]) != canonical(bound):
            raise CanNotOpen
        return str(found["secret"])

    def reseal(self, sealed: str) -> str:
        """The same secret, bound as it was, under the first key. Raises CanNotOpen."""
        try:
            return self._fernet.rotate(sealed).decode()
        except InvalidToken:
            raise CanNotOpen from None


def new_key() -> str:
    """A key for `[console] key`."""
    return Fernet.generate_key().decode()


def vault(settings: Settings, store: Store, *, make: bool = False) -> Vault:
    """The vault of a store. make: make the key's file where there is neither a setting nor a file.

    Raises ConfigError when there is no key, or what is there is none; StoreError when the file can not be written.
    """
    where, file = f"{settings.path}: [console] key", keyfile.path(store)
    if settings.console.key is None and settings.cluster.enabled:
        raise ConfigError(f"{where}: is needed where several machines share a store, the same on each of them: {MAKE_ONE}; {HOW}")
    if settings.console.key is None:
        where = f"the key {file}"
        if make and not file.exists():
            keyfile.make(store, new_key())
        if not file.exists():
            raise ConfigError(f"{where} is not there")
    try:
        keys = (settings.console.key or Secret(file=str(file))).reveal().split()
    except MissingSecret as problem:
        raise ConfigError(f"{where}: {problem}") from None
    for key in keys:
        remember(key)
    try:
        return Vault(keys)
    except ValueError:
        raise ConfigError(f"{where}: is no key; {MAKE_ONE}") from None
