"""A value that can be used but not printed: from the environment, a file, a systemd credential, or, sealed, from the store.

A literal secret in the configuration is refused, because a configuration file is copied, mailed and committed. What was
revealed once is remembered, so that the logs can strike it out wherever it turns up (`syncd.observe.logs`).
"""

import os
import stat
from pathlib import Path
from typing import Any

from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import core_schema

_revealed: set[str] = set()

HOW = 'write { env = "NAME" }, { file = "/path" } or { credential = "name" }'
# The context in which settings are validated that came through the console. Whoever may write those may not name a place: the environment
# and the files of this machine are the administrator's, and a place could be any of them.
NO_PLACES = {"places of secrets": False}


class MissingSecret(ValueError):
    """The place that a secret should come from is empty or not there."""


class Secret:
    """Where a secret is kept; `reveal()` reads it anew each time, so that a rotated file is picked up. One that is kept in the store
    (`kept`) was opened when its source was read, and is held in memory.

    Raises ValueError when made from anything but a table with exactly one of `env`, `file`, `credential`.
    """

    __slots__ = ("_kind", "_name", "_value")

    def __init__(self, *, env: str | None = None, file: str | None = None, credential: str | None = None) -> None:
        given = [(kind, name) for kind, name in (("env", env), ("file", file), ("credential", credential)) if name]
        if len(given) != 1:
            raise ValueError(f"needs exactly one place to read from: {HOW}")
        self._kind, self._name = given[0]
        self._value = ""

    @classmethod
    def kept(cls, value: str | None) -> "Secret":
        """One that is kept in the store: its value, or None where it was not opened."""
        made = cls.__new__(cls)
        made._kind, made._name, made._value = "kept", "in the store", value or ""
        remember(made._value)
        return made

    @property
    def place(self) -> str:
        """Where it is kept, for messages: `env NAME`, `file /path`, `credential name`, `kept in the store`."""
        return f"{self._kind} {self._name}"

    def reveal(self) -> str:
        """The secret itself. Raises MissingSecret (a ValueError) when there is none."""
        if self._kind == "kept":
            value, missing = self._value, f"{self.place}, and was not opened"
        elif self._kind == "env":
            value = os.environ.get(self._name, "")
            missing = f"the environment variable {self._name} is not set"
        else:
            path = Path(self._name)
            if self._kind == "credential":
                folder = os.environ.get("CREDENTIALS_DIRECTORY")
                if not folder:
                    raise MissingSecret(
                        f"credential {self._name} is handed over by systemd (LoadCredential=), and CREDENTIALS_DIRECTORY is not set here"
                    )
                path = Path(folder) / self._name
            try:
                if is_open_to_others(path):
                    raise MissingSecret(f"{self.place} can be read by everybody on this machine: chmod o-rwx {path}")
                value = path.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as problem:
                raise MissingSecret(f"{self.place} can not be read ({type(problem).__name__})") from None
            missing = f"{self.place} is empty"
        if not value:
            raise MissingSecret(missing)
        _revealed.add(value)
        return value

    def __repr__(self) -> str:
        return f"Secret({self.place})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.place == self.place and other._value == self._value

    def __hash__(self) -> int:
        return hash(self.place)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        def parse(value: Any, info: ValidationInfo) -> Secret:
            if isinstance(value, Secret):
                return value
            if info.context is NO_PLACES:
                raise ValueError("is a secret: it is pasted as one, and may not stand among the settings")
            if isinstance(value, dict) and all(isinstance(part, str) for part in value.values()):
                unknown = set(value) - {"env", "file", "credential"}
                if unknown:
                    raise ValueError(f"does not know {', '.join(sorted(unknown))}: {HOW}")
                return cls(**value)
            raise ValueError(f"a secret may not stand in the file itself: {HOW}")

        return core_schema.with_info_plain_validator_function(parse)


def is_open_to_others(path: Path, *, write: bool = False) -> bool:
    """Whether users who are neither the file's owner nor of its group can read it (or write it), all its folders considered.

    Raises OSError when the file is not there.
    """
    found = path.resolve()
    wanted = stat.S_IWOTH if write else stat.S_IROTH
    return bool(found.stat().st_mode & wanted) and all(folder.stat().st_mode & stat.S_IXOTH for folder in found.parents)


def remember(value: str) -> None:
    """Note a secret that did not come from a Secret (an access token that a source issued), so that logs strike it out."""
    if value:
        _revealed.add(value)


def revealed() -> frozenset[str]:
    """Every secret value in use by this process, for the logs to strike out."""
    return frozenset(_revealed)
