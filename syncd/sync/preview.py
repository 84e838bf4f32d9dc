"""What an ordered dry run would change, in samples that a person can look at: so many of each kind and action. The plan itself goes with
the run. What is kept is personal data, and short-lived (`store/orders.py`)."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, select

from syncd.order import Previewed
from syncd.roster.kinds import PLURAL
from syncd.store import orders
from syncd.store.engine import Store
from syncd.store.runs import FIRST
from syncd.sync.plan import Action
from syncd.sync.staging import STAGED, planned

# Of each kind and action.
SAMPLE = 20
# Of a record that would be created, what tells who or what it is.
TELLING = {
    "org": ("name", "type", "identifier"),
    "term": ("name", "type", "start_date", "end_date"),
    "course": ("name", "number"),
    "section": ("name", "school_id", "course_id", "term_ids"),
    "user": ("given_name", "family_name", "username", "email", "roles", "grades", "student_number"),
    "enrollment": ("section_id", "user_id", "role", "begin_date", "end_date"),
}


def keep(store: Store, connection: Connection, source: str, number: int) -> None:
    """Keep samples of the plan for an order. connection: with the run's staging tables, between two transactions."""
    with connection.begin():
        found = list(_samples(connection))
    with store.write() as writer:
        orders.keep_preview(writer, source, number, found)


def _samples(connection: Connection) -> Iterator[Previewed]:
    there = {(kind, action) for kind, action in connection.execute(select(planned.c.kind, planned.c.action).distinct())}
    for kind in FIRST:
        for action in Action:
            if (kind, action.value) in there:
                yield from (_previewed(kind, row) for row in connection.execute(_query(kind, action)))


def _query(kind: str, action: Action) -> Any:
    mine = (planned.c.kind == kind, planned.c.action == action.value)
    query = select(planned).where(*mine).order_by(planned.c.record_id).limit(SAMPLE)
    if action is Action.CREATE:
        staged = STAGED[kind]
        query = query.add_columns(*(staged.c[name].label(f"new_{name}") for name in TELLING[kind]))
        query = query.join_from(planned, staged, staged.c.id == planned.c.record_id)
    return query


def _previewed(kind: str, row: Row[Any]) -> Previewed:
    fields = row.fields or {}
    if row.action == Action.CREATE.value:
        new = {name: row._mapping[f"new_{name}"] for name in TELLING[kind]}
        fields = {name: (None, value) for name, value in new.items() if value not in (None, [])}
    return Previewed(kind=PLURAL[kind], id=row.record_id, action=row.action, fields=fields, held=row.held)
