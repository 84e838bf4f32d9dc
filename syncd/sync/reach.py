"""Who has to be looked at for links when somebody changed: everybody who has, or had, a number, an address or a name in common with one of
them, or a link; and whoever has one in common with those. Nobody else's links can change by it, so that a change of three people does not
cost a look at a whole district.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    MetaData,
    Select,
    Table,
    Text,
    and_,
    case,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
)

from syncd.store import upsert
from syncd.store.columns import folded
from syncd.store.tables import ROSTER, changes, links

SPLIT = "\x1f"
NAMED, BORN = "name-and-birth-date", "birth-date"

# How many changes are in memory at a time.
BATCH = 1_000

_user = ROSTER["user"]
_NAMING = ("given_name", "family_name", "birth_date")

metadata = MetaData()

# Everybody who has to be looked at, and what they can be told by. Both are grown together until nobody is added.
scope = Table(
    "link_scope",
    metadata,
    Column("source", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    prefixes=["TEMPORARY"],
)
marks = Table(
    "link_marks",
    metadata,
    Column("rule", Text, primary_key=True),
    Column("mark", Text, primary_key=True),
    prefixes=["TEMPORARY"],
)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two sources; first is the one whose name sorts first, as in the table of links."""

    first: str
    second: str

    @classmethod
    def of(cls, one: str, other: str) -> "Pair":
        return cls(*sorted((one, other)))

    def links(self) -> ColumnElement[bool]:
        """The links between the two."""
        return and_(links.c.source == self.first, links.c.other_source == self.second)


def marks_of(of: Any) -> dict[str, ColumnElement[Any]]:
    """{rule: what a user is told by under it}, NULL where the user has no such thing."""
    named = func.folded(of.given_name) + SPLIT + func.folded(of.family_name) + SPLIT + of.birth_date
    return {
        "student-number": of.student_number,
        "state-id": of.state_id,
        "email": func.lower(of.email),
        NAMED: case((of.birth_date.is_not(None), named)),
    }


def everybody(connection: Connection, pair: Pair) -> None:
    """All active people of both sources."""
    rows = select(_user.c.source, _user.c.id).where(_user.c.source.in_((pair.first, pair.second)), _user.c.status == "active")
    connection.execute(insert(scope).from_select(["source", "id"], rows))


def changed(connection: Connection, pair: Pair, source: str, since: int) -> None:
    """Those whom runs after `since` changed in one source, and everybody who has something in common with them, or had before."""
    rows = select(_user.c.source, _user.c.id).where(_user.c.source == source, _user.c.changed_run > since)
    connection.execute(insert(scope).from_select(["source", "id"], rows))
    _remember_old_marks(connection, source, since)
    _spread(connection, pair)


def these(connection: Connection, pair: Pair, users: list[tuple[str, str]]) -> None:
    """Those named by (source, id), and everybody who has something in common with them."""
    connection.execute(insert(scope), [{"source": source, "id": user_id} for source, user_id in users])
    _spread(connection, pair)


def _remember_old_marks(connection: Connection, source: str, since: int) -> None:
    """Whoever still has the number that somebody gave up may now be alone with it."""
    query = (
        select(changes.c.fields, *(_user.c[name] for name in _NAMING))
        .outerjoin(_user, and_(_user.c.source == changes.c.source, _user.c.id == changes.c.record_id))
        .where(changes.c.source == source, changes.c.kind == "user", changes.c.run > since, changes.c.fields.is_not(None))
    )
    for batch in connection.execute(query.execution_options(yield_per=BATCH)).partitions():
        old = {mark for row in batch for mark in _old_marks(row)}
        if old:
            new = upsert.insert(connection, marks).on_conflict_do_nothing()
            connection.execute(new, [{"rule": rule, "mark": mark} for rule, mark in sorted(old)])


def _old_marks(row: Any) -> Iterator[tuple[str, str]]:
    """What a user was told by before a change. row: the change's fields, and what the user is called now."""
    before = {name: values[0] for name, values in row.fields.items() if values and values[0]}
    for rule, name in (("student-number", "student_number"), ("state-id", "state_id")):
        if name in before:
            yield rule, before[name]
    if "email" in before:
        yield "email", before["email"].encode().lower().decode()
    if row.fields.keys() & set(_NAMING):
        given, family, born = (before.get(name) or row._mapping[name] for name in _NAMING)
        if given and family and born:
            yield NAMED, SPLIT.join((folded(given), folded(family), born))
            yield BORN, born


def _spread(connection: Connection, pair: Pair) -> None:
    """Add to the scope whoever shares a mark, or a link, with one who is in it, and whoever shares one with those, and so on."""
    inside = exists().where(scope.c.source == _user.c.source, scope.c.id == _user.c.id)
    # Adding nothing to the scope's columns bids SQLite look up the few in the scope among all users, and not the other way round.
    of_scope = and_(_user.c.source == scope.c.source + "", _user.c.id == scope.c.id + "")
    sources = _user.c.source.in_((pair.first, pair.second))
    found = marks_of(_user.c)

    def known(rule: str, mark: Any) -> ColumnElement[bool]:
        return exists().where(marks.c.rule == rule, marks.c.mark == mark)

    # Folding two names of everybody costs more than all the rest: only of those who were born on the day of one in question.
    named = and_(known(BORN, _user.c.birth_date), known(NAMED, found[NAMED]))
    shares = or_(*(known(rule, mark) for rule, mark in found.items() if rule != NAMED), named)
    sharers = select(_user.c.source, _user.c.id).where(sources, _user.c.status == "active", shares, ~inside)
    ends = ((links.c.source, links.c.user_id), (links.c.other_source, links.c.other_id))
    while True:
        for rule, mark in ((BORN, _user.c.birth_date), *found.items()):
            new = select(literal(rule), mark).join_from(scope, _user, of_scope).where(mark.is_not(None), ~known(rule, mark)).distinct()
            connection.execute(insert(marks).from_select(["rule", "mark"], new))
        added = _add(connection, sharers)
        for near, far in (ends, ends[::-1]):
            there = exists().where(scope.c.source == near[0], scope.c.id == near[1])
            here = exists().where(scope.c.source == far[0], scope.c.id == far[1])
            linked = select(*far).where(pair.links(), there, ~here).distinct()
            added += _add(connection, linked)
        if not added:
            return


def _add(connection: Connection, rows: Select[Any]) -> int:
    statement = insert(scope).from_select(["source", "id"], rows).execution_options(preserve_rowcount=True)
    return connection.execute(statement).rowcount
