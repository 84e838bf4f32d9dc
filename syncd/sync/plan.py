"""What a run would change, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    REACTIVATE = "reactivate"
    DEACTIVATE = "deactivate"


@dataclass(frozen=True, slots=True)
class Plan:
    """How many changes of each action a kind has, and how many active records it had before.

    actions: {kind: {action: count}}. active: {kind: count}. seen: {kind: records that came, gone ones included}.
    """

    actions: Mapping[str, Mapping[Action, int]]
    active: Mapping[str, int]
    seen: Mapping[str, int]

    def count(self, kind: str, action: Action) -> int:
        return self.actions.get(kind, {}).get(action, 0)
