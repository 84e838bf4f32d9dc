"""The comparison in SQL against one that is too simple to be wrong: a loop over two dicts."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, insert

from syncd.contract.connector import Resource
from syncd.store import open_store
from syncd.store.tables import ROSTER
from syncd.sync import compare, staging
from syncd.sync.absent import note_absent
from syncd.sync.stage import Staged
from syncd.sync.staging import STAGED, absent, staged_unreadable
from tests import stores

# Letters that are one and letters that only look so; what looks like a number, a NULL, JSON or SQL; upper and lower case; blanks.
ODD = ("", " ", "a", "A", "1", "01", "1.0", "null", "é", "e\u0301", "İ", "i", "ʻokina", "אב", "👩‍👧", "%", "_", "'; --", '["a"]', "x" * 300)
ids = st.sampled_from(("1", "01", "a", "A", "é", "e\u0301", "ß", "ss", "👩‍👧", "'--"))
texts = st.none() | st.sampled_from(ODD)
flags = st.none() | st.booleans()
lists = st.lists(st.sampled_from(ODD), max_size=2)
extras = st.none() | st.dictionaries(st.sampled_from(("a", "b", "é")), st.none() | st.booleans() | st.integers(0, 1) | texts, max_size=2)
LEFT = datetime(2026, 9, 1, tzinfo=UTC)
CONTENT = {
    "user": {
        "given_name": texts,
        "email": texts,
        "enabled": st.none() | st.booleans(),
        "roles": lists,
        "demographics": extras,
        "extra": extras,
    },
    "section": {"name": texts, "school_id": texts, "grades": lists, "extra": extras},
    "enrollment": {"section_id": ids, "user_id": ids, "primary": flags, "extra": extras},
}


@dataclass
class Compared:
    """held: what the roster has, with its status; staged: what came, and whether as gone; unreadable: documents that can not be used."""

    kind: str
    held: dict[str, dict[str, Any]]
    active: set[str]
    staged: dict[str, dict[str, Any]]
    gone: set[str]
    unreadable: set[str] = field(default_factory=set)
    documents: dict[str, str | None] = field(default_factory=dict)
    sections: set[str] = field(default_factory=set)


@st.composite
def two_sides(draw: st.DrawFn, kind: str) -> Compared:
    """Some records on both sides, many of them alike, or alike but for one field."""
    record = st.fixed_dictionaries(CONTENT[kind])
    held = draw(st.dictionaries(ids, record, max_size=6))
    staged: dict[str, dict[str, Any]] = {}
    for record_id in draw(st.frozensets(ids, max_size=6)):
        like = held.get(record_id) if draw(st.booleans()) else None
        if like is None:
            staged[record_id] = draw(record)
            continue
        name = draw(st.sampled_from(sorted(CONTENT[kind])))
        staged[record_id] = like | ({name: draw(CONTENT[kind][name])} if draw(st.booleans()) else {})
    some = st.frozensets(ids, max_size=4)
    found = Compared(kind, held, set(held) - draw(some), staged, set(staged) & draw(some), set(draw(some)))
    if kind == "enrollment":
        sections = ("1", "a", "b")
        found.documents = {record_id: draw(st.sampled_from((None, *sections))) for record_id in held}
        found.sections = set(draw(st.frozensets(st.sampled_from(sections))))
        found.unreadable |= draw(st.frozensets(st.sampled_from(sections), max_size=1))
    return found


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """A connection to an empty store, with staging tables."""
    store = open_store(stores.url(tmp_path_factory.mktemp("compare")))
    with store.session() as opened:
        staging.create(opened)
        yield opened
    store.close()


def filled(connection: Connection, compared: Compared) -> None:
    """Both sides in their tables; the neighbouring source holds the same ids with other contents."""
    roster, staged = ROSTER[compared.kind], STAGED[compared.kind]
    for table in (*ROSTER.values(), *STAGED.values(), staged_unreadable, absent):
        connection.execute(table.delete())
    for source in ("ours", "theirs"):
        for record_id, record in compared.held.items():
            active = record_id in compared.active if source == "ours" else True
            kept = {
                "status": "active" if active else "inactive",
                "deactivated_at": None if active else LEFT,
                "created_run": 1,
                "changed_run": 1,
            }
            own = record if source == "ours" else {**record, "extra": {"theirs": True}}
            document = compared.documents.get(record_id)
            connection.execute(insert(roster).values(source=source, id=record_id, document_id=document, **kept, **own))
    connection.execute(
        insert(roster).values(source="theirs", id="only theirs", status="active", created_run=1, changed_run=1, document_id="1")
    )
    for record_id, record in compared.staged.items():
        connection.execute(insert(staged).values(id=record_id, gone=record_id in compared.gone, resource="list", **record))
    for document in compared.unreadable:
        connection.execute(insert(staged_unreadable).values(resource="list", document_id=document))
    connection.execute(insert(staged_unreadable).values(resource="another list", document_id="a"))
    if compared.kind != "section":
        for section in compared.sections:
            connection.execute(insert(STAGED["section"]).values(id=section, gone=False, resource="list"))


def alike(one: Any, other: Any) -> bool:
    """Equal, and of the same type all the way down: 1 is not true."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return bool(one == other)


def ids_of(connection: Connection, query: Any, place: int = 1) -> list[str]:
    return sorted(row[place] for row in connection.execute(query))


few = settings(
    deadline=None,
    max_examples=40 if stores.chosen == "sqlite" else 15,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("kind", CONTENT)
@few
@given(data=st.data())
def test_what_sql_finds_is_what_a_loop_over_the_rows_finds(connection: Connection, kind: str, data: st.DataObject) -> None:
    compared = data.draw(two_sides(kind))
    held, staged = compared.held, compared.staged
    came = set(staged) - compared.gone
    same = {record_id for record_id in came if record_id in held and alike(held[record_id], staged[record_id])}
    with connection.begin():
        filled(connection, compared)
        assert ids_of(connection, compare.created(kind, "ours")) == sorted(record_id for record_id in came if record_id not in held)

        wrong = {record_id for record_id in came if record_id in held and (record_id not in same or record_id not in compared.active)}
        assert ids_of(connection, compare.changed(kind, "ours"), place=0) == sorted(wrong)
        for row in connection.execute(compare.changed(kind, "ours")):
            values = row._mapping
            for name in CONTENT[kind]:
                assert alike(values[f"old_{name}"], held[row.id][name]) and alike(values[f"new_{name}"], staged[row.id][name])
            assert (row.status == "active") == (row.id in compared.active) == (row.deactivated_at is None)

        said = {record_id for record_id in staged if record_id in compared.gone and record_id in compared.active}
        assert ids_of(connection, compare.said_gone(kind, "ours")) == sorted(said)

        note_absent(connection, "ours", Staged((Resource("list", (kind,)),), doubts={"list": None}), kind)
        unstated = {
            record_id
            for record_id in compared.active
            if record_id not in staged and (compared.documents.get(record_id) or record_id) not in compared.unreadable
        }
        assert ids_of(connection, compare.missing(kind, "ours", ["list"])) == sorted(unstated)

        unchanged = connection.execute(compare.unchanged(kind, "ours")).scalar_one()
        assert unchanged == len(same & compared.active)


@few
@given(compared=two_sides("enrollment"))
def test_whom_a_section_that_came_does_not_state_any_more_is_found_and_nobody_else(connection: Connection, compared: Compared) -> None:
    expected = []
    for record_id in compared.active:
        document = compared.documents[record_id]
        if record_id in compared.staged or document is None or document not in compared.sections:
            continue
        if document in compared.unreadable or document == "a":
            continue
        expected.append(record_id)
    with connection.begin():
        filled(connection, compared)
        assert ids_of(connection, compare.no_longer_stated("ours")) == sorted(expected)
