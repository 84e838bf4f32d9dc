"""Memory does not grow with the district: what reads or plans a whole roster, a whole log or a whole hold does it piece by piece.

Measured where it can be: what Python holds at the most, in a small and in a ten times larger district, both larger than any batch; and,
of PostgreSQL, how many rows its client holds of one answer, which Python does not see.
"""

import contextlib
import gc
import os
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import delete, event, func, insert, literal, select, update

from syncd.cli.app import print_json
from syncd.cli.db import document as proof_of
from syncd.cli.show import changes_table, in_pieces
from syncd.report import RunReport, State, Trigger
from syncd.store import Store, bulk, open_store, purge, roster, runs
from syncd.store import runs as kept
from syncd.store.columns import canonical
from syncd.store.tables import ROSTER, changes, held_changes, purged, quarantine, sources
from syncd.store.tables import runs as table_of_runs
from syncd.sync import compare, hold, reach, staging, undo
from syncd.sync.staging import STAGED, planned
from tests import stores
from tests.who import OPERATOR

SOURCE = "springfield"
SMALL, LARGE = 1_000, 12_000
# Bytes that the twelve times larger district may take more, until its garbage is collected: a list of all of anything in it takes more.
MORE = 1_500_000
# Rows of one answer that PostgreSQL's client may hold.
BATCH = 1_000
FIRST, SECOND, HELD = 1, 2, 3
ROLES = [{"role": "student", "org_id": "lincoln", "primary": True}]
AT = datetime(2026, 9, 1, 6, tzinfo=UTC)


def district(store: Store, students: int) -> None:
    """Students whom the first run created and the second one changed, half of whom got a new id; a third run holds that all of them go,
    that as many come, and that as many change."""
    ids = [f"s{number:06}" for number in range(students)]
    named = ("source", "id", "status", "given_name", "family_name", "roles", "grades", "identifiers", "guardian_ids", "birth_date")
    with store.write() as connection:
        connection.execute(insert(sources).values(name=SOURCE, epoch=3))
        for number, state in ((FIRST, State.APPLIED), (SECOND, State.APPLIED), (HELD, State.HELD)):
            ended = {"started_at": AT, "finished_at": AT, "counts": {}, "requests": 0, "bytes": 0, "held": [], "doubts": []}
            row = {"id": number, "source": SOURCE, "epoch": number, "mode": "full", "trigger": Trigger.MANUAL, "state": state, **ended}
            connection.execute(insert(table_of_runs).values(row))
        people = [(SOURCE, one, "active", "A", "B", canonical(ROLES), "[]", "[]", "[]", "2015-01-01", FIRST, SECOND) for one in ids]
        bulk.load(connection, ROSTER["user"], (*named, "created_run", "changed_run"), people)
        change = ("source", "run", "kind", "record_id", "action", "fields")
        bulk.load(connection, changes, change, [(SOURCE, FIRST, "user", _before(one), "create", None) for one in ids])
        bulk.load(connection, changes, change, [(SOURCE, SECOND, "user", one, *_changed(one)) for one in ids])
        held = ("source", "run", "kind", "record_id", "action", "rule", "fields", "record", "seen_run")
        record = canonical(dict.fromkeys(compare.kept("user")) | {"roles": ROLES})
        goes = [(one, "deactivate", None, None, SECOND) for one in ids]
        changed = [(f"{one}-", "update", canonical({"email": ["a", "b"]}), None, None) for one in ids]
        comes = [(f"x{one}", "create", None, record, None) for one in ids]
        bulk.load(
            connection,
            held_changes,
            held,
            [(SOURCE, HELD, "user", one, action, "limit", *rest) for one, action, *rest in (*goes, *changed, *comes)],
        )
        unusable = ("source", "run", "seq", "resource", "rule", "fatal")
        bulk.load(connection, quarantine, unusable, [(SOURCE, SECOND, seq, "users", "no-name", False) for seq in range(students)])
        runs.add_lines(connection, SOURCE, SECOND, [runs.KeptLine(seq + 1, AT, "info", "page", {}) for seq in range(students)])


def _before(record_id: str) -> str:
    """The id that a student had before the second run."""
    return f"old-{record_id}" if int(record_id[1:]) % 2 else record_id


def _changed(record_id: str) -> tuple[str, str]:
    """What the second run did to a student."""
    before, fields = _before(record_id), {"given_name": [f"A{record_id}", "A"]}
    return ("update", canonical(fields)) if before == record_id else ("rekey", canonical({"id": [before, record_id], **fields}))


def listing(read: Callable[[Store], Iterator[Any]]) -> Callable[[Store], int]:
    """Read it to its end; how many there were."""

    def count(store: Store) -> int:
        number = 0
        for _ in read(store):
            number += 1
        return number

    return count


def planning(plan: Callable[[Any], Any]) -> Callable[[Store], int]:
    """Plan in tables of the run's own; how many changes are planned."""

    def count(store: Store) -> int:
        connection = store.session()
        try:
            staging.create(connection)
            plan(connection)
            with connection.begin():
                return int(connection.execute(select(func.count()).select_from(planned)).scalar_one())
        finally:
            connection.close()

    return count


def keep(store: Store) -> int:
    """A run that would create every student, and may not."""
    report = RunReport(run=9, source=SOURCE, mode="full", trigger="manual", state=State.HELD, started_at=AT, counts={})
    connection, user, staged = store.session(), ROSTER["user"], STAGED["user"]
    try:
        staging.create(connection)
        names = compare.kept("user")
        new = literal("new") + user.c.id
        with connection.begin() as transaction:
            rows = select(new, literal(False), literal("users"), *(user.c[name] for name in names))
            connection.execute(insert(staged).from_select(["id", "gone", "resource", *names], rows))
            plan = select(literal("user"), new, literal("create"), literal("limit"))
            connection.execute(insert(planned).from_select(["kind", "record_id", "action", "held"], plan.select_from(user)))
            hold.keep(connection, report)
            found = int(connection.execute(select(func.count()).where(held_changes.c.run == report.run)).scalar_one())
            transaction.rollback()
            return found
    finally:
        connection.close()


def remember(store: Store) -> int:
    with store.write() as connection:
        reach.metadata.create_all(connection, checkfirst=False)
        reach._remember_old_marks(connection, SOURCE, FIRST)
        return int(connection.execute(select(func.count()).where(reach.marks.c.rule == reach.NAMED)).scalar_one())


def document(store: Store) -> int:
    _print({"run": 2, "changes": ({"id": one.record_id} for one in runs.changes_of(store, SECOND))})
    return -1


def _print(document: Any) -> None:
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        print_json(document)


def everybody_left(store: Store) -> None:
    with store.write() as connection:
        connection.execute(update(ROSTER["user"]).values(status="inactive", deactivated_at=AT))


def restored(store: Store) -> None:
    """As if from a backup: it knows of no purge."""
    with store.write() as connection:
        connection.execute(delete(purged))
        connection.execute(update(ROSTER["user"]).values(given_name="A"))


def purging(kind: str, at: datetime, days: dict[str, int], **options: Any) -> Callable[[Store], int]:
    """Purge by a policy, and print what went; how many of a kind that was."""

    def work(store: Store) -> int:
        proof = purge.purge(store, lambda _source: days, at, by=OPERATOR, **options)
        _print(proof_of(store, proof))
        [gone] = proof.sources
        return gone.counts[kind]

    return work


SUBJECTS: dict[str, tuple[Callable[[Store], int], int]] = {
    "the roster": (listing(lambda store: roster.records(store, "user", SOURCE)), 1),
    "the roster as it was": (listing(lambda store: roster.records_as_of(store, "user", FIRST, SOURCE)), 1),
    "a run's changes": (listing(lambda store: kept.changes_of(store, SECOND)), 1),
    "a table of them": (listing(lambda store: in_pieces(kept.changes_of(store, SECOND), changes_table)), 0),
    "what a run holds": (listing(lambda store: kept.held_changes_of(store, HELD)), 3),
    "a quarantine": (listing(lambda store: kept.quarantined(store, SOURCE, SECOND)), 1),
    "a run's log": (listing(lambda store: kept.log_lines(store, SECOND)), 1),
    "a document of changes": (document, 0),
    "approving": (planning(lambda connection: hold.take_up(connection, SOURCE, HELD, {})), 3),
    "undoing a first run": (planning(lambda connection: undo.draw_up(connection, SOURCE, FIRST)), 0),
    "undoing a run": (planning(lambda connection: undo.draw_up(connection, SOURCE, SECOND)), 1),
    "holding": (keep, 1),
    "looking for links": (remember, 1),
}


@pytest.fixture(scope="module")
def districts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Store]]:
    folder = tmp_path_factory.mktemp("districts")
    found = {students: open_store(stores.url(folder, f"{students}.db")) for students in (SMALL, LARGE)}
    for students, store in found.items():
        district(store, students)
    yield found
    for store in found.values():
        store.close()


@pytest.mark.parametrize("name", SUBJECTS)
def test_memory_does_not_grow_with_the_district(districts: dict[int, Store], name: str) -> None:
    work, times = SUBJECTS[name]
    # What is made once (statements, types) is no part of it.
    work(districts[SMALL])
    peaks = {}
    for students, store in districts.items():
        answers: list[int] = []
        with _watched(store, answers):
            found, peaks[students] = _peak(work, store)
        assert not times or found == times * students, "all of it was there to be read"
        assert max(answers, default=0) <= BATCH, "the client held a whole answer"
    assert peaks[LARGE] - peaks[SMALL] < MORE, f"{name}: {peaks} bytes"


def test_memory_of_a_purge_does_not_grow_with_the_district(tmp_path: Path) -> None:
    peaks: dict[str, list[int]] = {"dry run": [], "purge": [], "purge after a restore": []}
    # In the first, what is made once.
    for students in (10, SMALL, LARGE):
        store = open_store(stores.url(tmp_path, f"{students}.db"))
        district(store, students)
        everybody_left(store)
        for name, before, work in (
            ("dry run", None, purging("users", AT + timedelta(days=30), {"inactive_days": 30}, dry_run=True)),
            ("purge", None, purging("users", AT + timedelta(days=30), {"inactive_days": 30})),
            ("purge after a restore", restored, purging("again", AT + timedelta(days=31), {})),
        ):
            if before:
                before(store)
            answers: list[int] = []
            with _watched(store, answers):
                found, peak = _peak(work, store)
            assert found == students
            assert max(answers, default=0) <= BATCH, f"{name}: the client held a whole answer"
            peaks[name].append(peak)
        store.close()
    for name, (_, small, large) in peaks.items():
        assert large - small < MORE, f"{name}: {peaks[name]} bytes"


def test_what_holds_a_whole_list_would_be_found(districts: dict[int, Store]) -> None:
    peaks = {students: _peak(lambda store: len(list(runs.changes_of(store, SECOND))), store)[1] for students, store in districts.items()}
    assert peaks[LARGE] - peaks[SMALL] > MORE


def _peak(work: Callable[[Store], int], store: Store) -> tuple[int, int]:
    """What the work gives back, and the most bytes that Python held for it."""
    gc.collect()
    # Garbage is no part of it: a run before this one may have told Python to leave it lying for longer.
    usual = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    tracemalloc.start()
    try:
        return work(store), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        gc.set_threshold(*usual)


@contextlib.contextmanager
def _watched(store: Store, answers: list[int]) -> Iterator[None]:
    """Note how many rows each answer of PostgreSQL brought into the client at once."""

    def note(_connection: Any, cursor: Any, *_rest: Any) -> None:
        if isinstance(cursor, psycopg.Cursor) and cursor.description is not None:
            answers.append(cursor.rowcount)

    event.listen(store.engine, "after_cursor_execute", note)
    try:
        yield
    finally:
        event.remove(store.engine, "after_cursor_execute", note)
