"""A plan of the model and what is left of it, as plain values: the rows of the roster, the changes, the runs, and a change backwards.

Like the oracle, it shares no code with syncd/sync.
"""

from dataclasses import dataclass, field
from datetime import datetime

from tests.model.sis import Fields, Key

CREATE, UPDATE, REACTIVATE, DEACTIVATE, REKEY = "create", "update", "reactivate", "deactivate", "rekey"


@dataclass(frozen=True)
class Row:
    """A record of the roster. left: when it was deactivated, None while it is active. document: what stated it, if not its own."""

    fields: Fields
    created_run: int
    changed_run: int
    left: datetime | None = None
    document: str | None = None

    @property
    def active(self) -> bool:
        return self.left is None


@dataclass(frozen=True)
class Change:
    """One change of a plan. fields: what the record is to be. old_id: of a rekey. missing: it only did not come. seen_run: the run that had
    last changed the record when the change was planned."""

    kind: str
    id: str
    action: str
    fields: Fields | None = None
    document: str | None = None
    old_id: str | None = None
    missing: bool = False
    seen_run: int | None = None

    @property
    def key(self) -> Key:
        return self.kind, self.id

    @property
    def row_key(self) -> Key:
        """Where the roster has the record before the change."""
        return self.kind, self.old_id or self.id


@dataclass
class Run:
    """What the oracle remembers of a run. before: the rows that it changed, as they were (None: there was none)."""

    state: str
    at: datetime
    trigger: str = "manual"
    held: dict[Key, tuple[Change, str]] = field(default_factory=dict)
    applied: list[Change] = field(default_factory=list)
    before: dict[Key, Row | None] = field(default_factory=dict)
    settles: int | None = None
    settled_by: int | None = None


@dataclass
class Outcome:
    """What a pull must come to. held: with the rule. stayed: how many of a kind were missing and answered."""

    applied: list[Change]
    held: dict[Key, tuple[Change, str]]
    seen: dict[str, int]
    said_gone: dict[str, int]
    unchanged: dict[str, int]
    stayed: dict[str, int]


def backwards(change: Change, row: Row, before: Row | None) -> Change | None:
    """What brings a record back to where it was; None when it is not where the change left it."""
    if change.action == DEACTIVATE:
        # One that took back a return put the old values back, too.
        differs = difference(before.fields, change.fields) if before is not None and change.fields is not None else {}
        fields = {name: differs[name][0] if name in differs else value for name, value in row.fields.items()}
        return None if row.active else Change(change.kind, change.id, REACTIVATE, fields, row.document)
    if not row.active and change.action != REKEY:
        return None
    if before is None:
        return Change(change.kind, change.id, DEACTIVATE)
    differs = difference(before.fields, change.fields)
    fields = {name: before.fields.get(name) if name in differs else value for name, value in row.fields.items()}
    if change.action == REKEY:
        return Change(change.kind, change.old_id or "", REKEY, fields, row.document, old_id=change.id)
    if change.action == UPDATE:
        return None if fields == row.fields else Change(change.kind, change.id, UPDATE, fields, row.document)
    return Change(change.kind, change.id, DEACTIVATE, fields, row.document)


def difference(before: Fields, after: Fields | None) -> dict[str, tuple[object, object]]:
    now = after or {}
    return {name: (before.get(name), now.get(name)) for name in before.keys() | now.keys() if before.get(name) != now.get(name)}
