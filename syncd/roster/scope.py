"""A part of a source that is synced by itself: one school, or one user."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Scope:
    """What is asked for instead of everything. id: the source's own, of the school or of the user."""

    kind: Literal["school", "user"]
    id: str

    @property
    def record_kind(self) -> str:
        """The kind of the record that it is about."""
        return "org" if self.kind == "school" else "user"

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"
