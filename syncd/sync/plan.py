"""What a run would change, as plain values: the numbers that the guard decides by."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Action(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    REACTIVATE = "reactivate"
    DEACTIVATE = "deactivate"
    REKEY = "rekey"


@dataclass(frozen=True, slots=True)
class Recent:
    """What earlier runs changed of a kind within the last 24 hours, a person's own decisions and the first sync left out."""

    created: int = 0
    updated: int = 0
    deactivated: int = 0


@dataclass(frozen=True, slots=True)
class School:
    """One school's records of a kind: how many are active, how many of them would go, how many went within the last 24 hours."""

    org_id: str
    active: int
    deactivated: int
    recent: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """How many changes of each action a kind has, and what the guard needs to weigh them.

    actions: {kind: {action: count}}. active, seen: {kind: active records before; records that came, gone ones included}. kept: {kind: those
    who came again as they are known}. known: the kinds of which the store held any record, active or not. recent: {kind: what went before
    today}. schools: {kind: the schools that would lose somebody}. lost_schools: orgs that would go although they have users or sections.
    unconfirmed: {kind: deactivations that nobody asked the source about, although one that was asked about turned out to be there}. undone:
    {(kind, action): changes that a person undid and that the source asks for again}. doubted: {action: users who could be the same as one
    of several who come or go}. renamed: {action: users who would become somebody else under the same id}. other_names: how many users would
    get another given and another family name. whole: everything was asked for, not only what changed.
    """

    actions: Mapping[str, Mapping[Action, int]]
    active: Mapping[str, int]
    seen: Mapping[str, int] = field(default_factory=dict)
    kept: Mapping[str, int] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    recent: Mapping[str, Recent] = field(default_factory=dict)
    schools: Mapping[str, list[School]] = field(default_factory=dict)
    lost_schools: tuple[str, ...] = ()
    unconfirmed: Mapping[str, int] = field(default_factory=dict)
    undone: Mapping[tuple[str, Action], int] = field(default_factory=dict)
    doubted: Mapping[Action, int] = field(default_factory=dict)
    renamed: Mapping[Action, int] = field(default_factory=dict)
    other_names: int = 0
    whole: bool = True

    def count(self, kind: str, action: Action) -> int:
        return self.actions.get(kind, {}).get(action, 0)
