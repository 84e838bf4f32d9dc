"""All changes in the order in which they became so, for programs that follow the roster: page by page, from any place on.

A run's changes follow those of the runs that applied before it; within it stand first what others refer to. A place stays what it is: who
asks again with it gets what follows, nothing twice and nothing left out, also when a process dies in between.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, or_, select

from syncd.errors import ConfigError
from syncd.roster.kinds import KINDS, PLURAL, SINGULAR
from syncd.store import Store, jsontext
from syncd.store.columns import canonical
from syncd.store.roster import as_record
from syncd.store.tables import ROSTER, changes, runs

PAGE = 1_000
ORDER = tuple(KINDS)
START = "0"
# Where a record of a kind says at which school it is.
_SCHOOL = {"org": "id", "course": "org_id", "section": "school_id", "enrollment": "school_id", "user": "roles"}


class Change(BaseModel):
    """One change. place: of it, to go on behind it. run, at: by which run, and when that ended. fields: {name: [old, new]}, also of purged
    values and for who may not see them {name: null}; of a rekey `id` is among them. record: as the roster has it now, where that was asked
    for; null when it is not there (any more)."""

    place: str
    run: int
    source: str
    at: datetime | None
    kind: str
    id: str
    action: str
    fields: dict[str, Any]
    record: dict[str, Any] | None = None


class Feed(BaseModel):
    """Some changes, in order. after: what to ask the next page with, also when there is nothing new yet. more: there is more now."""

    changes: list[Change]
    after: str
    more: bool


def page(
    store: Store,
    after: str = START,
    *,
    source: str | None = None,
    kind: str | None = None,
    school: str | None = None,
    limit: int = PAGE,
    values: bool = False,
    records: bool = False,
) -> Feed:
    """The changes behind a place. kind: plural. school: its id; a change counts that concerns a record which is there, or was. values: tell
    old and new values. records: tell each record as it is now. Raises ConfigError for what is no place."""
    run, of_kind, record_id = _read(after)
    found: list[Change] = []
    with store.read() as connection:
        kinds = ORDER if kind is None else (SINGULAR[kind],)
        for ended in _runs(connection, run, source):
            begin = (of_kind, record_id) if ended.applied == run else ("", "")
            for each in (one for one in kinds if _changed(ended.counts, one)):
                if begin[0] and ORDER.index(each) < ORDER.index(begin[0]):
                    continue
                behind = begin[1] if each == begin[0] else ""
                wanted = _changes(connection, ended, each, behind, school).limit(limit + 1 - len(found))
                rows = connection.execute(wanted).all()
                held = _records(connection, each, ended.source, [row.record_id for row in rows]) if records and values else {}
                found += [_told(row, ended, values, held.get(row.record_id)) for row in rows]
                if len(found) > limit:
                    return Feed(changes=found[:limit], after=found[limit - 1].place, more=True)
            after = f"{ended.applied}"
    return Feed(changes=found, after=after, more=False)


def _read(after: str) -> tuple[int, str, str]:
    """(run's place, kind, record id) where to begin: behind a record of a run, or with the run behind a whole one."""
    number, _, rest = after.partition(".")
    kind, _, record_id = rest.partition(".")
    if not number.isdecimal() or len(number) > 18 or (rest and kind not in PLURAL):
        raise ConfigError("after: is no place. Begin with 0, and go on with what the last answer gave as `after`.")
    return int(number) + (not rest), kind, record_id


def _runs(connection: Connection, place: int, source: str | None) -> Iterator[Any]:
    """The runs from a place on, in their order."""
    query = select(runs.c.id, runs.c.source, runs.c.applied, runs.c.finished_at, runs.c.counts).order_by(runs.c.applied)
    query = query.where(runs.c.applied.is_not(None))
    if source is not None:
        query = query.where(runs.c.source == source)
    while rows := connection.execute(query.where(runs.c.applied >= place).limit(100)).all():
        yield from rows
        place = rows[-1].applied + 1


def _changed(counts: dict[str, dict[str, int]], kind: str) -> bool:
    """Whether a run changed anything of a kind, by its report: most change one or two."""
    of_kind = counts.get(PLURAL[kind], {})
    return any(of_kind.get(name) for name in ("created", "updated", "reactivated", "deactivated"))


def _changes(connection: Connection, ended: Row[Any], kind: str, behind: str, school: str | None) -> Select[Any]:
    mine = (changes.c.source == ended.source, changes.c.run == ended.id, changes.c.kind == kind, changes.c.record_id > behind)
    query = select(changes).where(*mine).order_by(changes.c.record_id)
    return query if school is None else query.where(_at(connection, ended.source, kind, school))


def _at(connection: Connection, source: str, kind: str, school: str) -> ColumnElement[bool]:
    """Whether a record is at a school, or was before the change."""
    name = _SCHOOL.get(kind)
    if name is None:
        # Terms are everybody's.
        return changes.c.kind == kind
    held, said = ROSTER[kind].c, canonical(school)
    now = jsontext.holds(connection, held.roles, said) if kind == "user" else held[name] == school
    of_it = select(held.id).where(held.source == source, now)
    before = jsontext.holds(connection, changes.c.fields, said)
    return or_(changes.c.record_id.in_(of_it), and_(changes.c.fields.is_not(None), before))


def _records(connection: Connection, kind: str, source: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    table = ROSTER[kind]
    rows = connection.execute(select(table).where(table.c.source == source, table.c.id.in_(ids)))
    return {row.id: as_record(kind, row) for row in rows}


def _told(row: Row[Any], ended: Row[Any], values: bool, record: dict[str, Any] | None) -> Change:
    fields = row.fields or {}
    return Change(
        place=f"{ended.applied}.{row.kind}.{row.record_id}",
        run=ended.id,
        source=ended.source,
        at=ended.finished_at,
        kind=PLURAL[row.kind],
        id=row.record_id,
        action=row.action,
        fields=fields if values else dict.fromkeys(fields),
        record=record,
    )
