"""What a purge reaches beside the record itself: what waits, what is held, earlier ids, and what a source goes on saying of a leaver."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select, text

from syncd.contract.connector import Connector, ConnectorSettings, Context, Resource
from syncd.contract.document import Document, Finished, Page, Reading
from syncd.errors import Superseded
from syncd.report import Mode, RunReport, Trigger
from syncd.roster.enrollment import Enrollment
from syncd.roster.kinds import Record
from syncd.roster.org import Org
from syncd.roster.section import Section
from syncd.roster.user import Role, User, UserPart
from syncd.settings.guard import GuardSettings
from syncd.store import Store, lease, open_store, purge, roster, runs, tombstones
from syncd.store.tables import held_changes, purged, user_parts, waiting
from syncd.sync.run import Order, run
from tests import stores
from tests.store.test_memory import AT, district, everybody_left
from tests.who import OPERATOR

DAYS = {"inactive_days": 30}
LISTS = {"org": "orgs", "section": "sections", "user": "users", "enrollment": "enrollments"}


class Listed(Connector):
    """A source that lists just the records and parts it is told to."""

    settings_model = ConnectorSettings
    records: list[Record]
    parts: list[UserPart]

    def resources(self) -> tuple[Resource, ...]:
        return (*(Resource(name, (kind,)) for kind, name in LISTS.items()), Resource("demographics", ()))

    def pull(self) -> Iterator[Page | Finished]:
        for kind, name in LISTS.items():
            yield Page(name, [Document(name, one.id, repr(one).encode()) for one in self.records if one.kind == kind])
            yield Finished(name)
        yield Page("demographics", [Document("demographics", part.document_id, repr(part).encode()) for part in self.parts])
        yield Finished("demographics")

    def read(self, document: Document) -> Reading:
        if document.resource == "demographics":
            return Reading(parts=[part for part in self.parts if part.document_id == document.id])
        return Reading(records=[one for one in self.records if LISTS[one.kind] == document.resource and one.id == document.id])

    def probe(self) -> str:
        return ""


class School:
    """A school with six students, and a store."""

    def __init__(self, folder: Path) -> None:
        self.store: Store = open_store(stores.url(folder))
        self.limits = GuardSettings()
        self.records: dict[str, Record] = {}
        self.parts: list[UserPart] = []
        self.add(Org(id="school", type="school"), *(student(f"s{n}") for n in range(6)))

    def add(self, *records: Record) -> None:
        self.records |= {record.id: record for record in records}

    def connect(self, context: Context) -> Connector:
        connector = Listed(ConnectorSettings(), context)
        connector.records, connector.parts = list(self.records.values()), self.parts
        return connector

    def sync(self, **options: Any) -> RunReport:
        return run(self.store, Order("springfield", self.connect, limits=self.limits, **options), Context("springfield"))

    def purge(self, **span: int) -> purge.Proof:
        """So long from now."""
        return purge.purge(self.store, lambda _source: DAYS, datetime.now(UTC) + timedelta(**span), by=OPERATOR)

    def again(self, **span: int) -> list[int]:
        """Purge without a policy: how many were purged before and are back."""
        proof = purge.purge(self.store, lambda _source: {}, datetime.now(UTC) + timedelta(**span), by=OPERATOR)
        return [one.counts["again"] for one in proof.sources]

    def tell(self, table: Any) -> str:
        """All of a table."""
        with self.store.read() as connection:
            return repr(connection.execute(select(table)).all())

    def user(self, record_id: str) -> dict[str, Any]:
        [found] = roster.record(self.store, "user", record_id)
        return found


def student(record_id: str, **fields: Any) -> User:
    return User(id=record_id, roles=(Role("student", "school", True),), **{"family_name": f"Wiggum-{record_id}", **fields})


@pytest.fixture
def school(tmp_path: Path) -> School:
    return School(tmp_path)


def test_demographics_that_the_source_still_lists_of_a_purged_student_are_not_taken_in_again(school: School) -> None:
    school.parts = [UserPart(user_id=one, document_id=one, birth_date="2015-02-03") for one in ("s1", "s2")]
    school.sync()
    gone = school.records.pop("s1")
    school.sync()
    school.purge(days=31)
    school.sync()
    assert "'s1'" not in school.tell(user_parts) and "'s2'" in school.tell(user_parts)
    school.add(gone)
    school.sync()
    assert school.user("s1")["birth_date"] == "2015-02-03"


def test_enrollments_that_wait_for_a_purged_student_go_and_do_not_wait_again(school: School) -> None:
    seat = Enrollment(id="e1", section_id="art", user_id="s1", role="student")
    school.add(Section(id="art", school_id="school"), seat)
    school.sync()
    gone = school.records.pop("s1")
    school.sync()
    school.add(Enrollment(id="e2", section_id="art", user_id="s1", role="student"))
    school.sync()
    assert "'e2'" in school.tell(waiting)
    assert school.purge(days=31).sources[0].counts["waiting"] == 1
    school.sync()
    assert "'e2'" not in school.tell(waiting)
    school.add(gone)
    school.sync()
    assert {one["id"] for one in roster.records(school.store, "enrollment")} == {"e1", "e2"}


def test_a_held_return_of_a_purged_student_is_left_out_of_the_approval_and_held_anew(school: School) -> None:
    school.sync()
    gone = school.records.pop("s1")
    left = school.sync()
    school.sync(undoes=left.run, trigger=Trigger.UNDO)
    again = school.sync()
    assert again.state == "held", "a person undid just that"
    school.sync(approves=again.run, trigger=Trigger.APPROVE)
    school.add(gone, student("s9"))
    school.limits = GuardSettings(max_creations=0, when_held="hold-all")
    held = school.sync()
    assert held.state == "held" and "Wiggum-s1" in school.tell(held_changes) + repr(school.user("s1"))
    school.purge(days=31)
    assert "Wiggum-s1" not in school.tell(held_changes)
    approved = school.sync(approves=held.run, trigger=Trigger.APPROVE)
    assert (approved.left_out, school.user("s1")["status"], school.user("s9")["family_name"]) == (1, "inactive", "Wiggum-s9")
    school.limits = GuardSettings()
    school.sync()
    assert (school.user("s1")["status"], school.user("s1")["family_name"]) == ("active", "Wiggum-s1")


def test_holds_that_nobody_answered_go_with_the_old_values(school: School) -> None:
    school.sync()
    school.add(student("s9"))
    school.limits = GuardSettings(max_creations=0)
    held = school.sync()
    at = datetime.now(UTC)
    for days, state in ((29, "held"), (30, "rejected")):
        purge.purge(school.store, lambda _source: {"history_days": 30}, at + timedelta(days=days), by=OPERATOR)
        assert runs.get(school.store, held.run).state == state
        assert ("Wiggum-s9" in school.tell(held_changes)) == (state == "held")


def test_the_history_under_an_earlier_id_is_purged_too_and_its_new_owner_is_not(school: School) -> None:
    school.limits = GuardSettings(rekey="apply")
    school.add(student("old", student_number="77"))
    school.sync()
    school.add(student("old", student_number="77", family_name="Spuckler"))
    school.sync()
    del school.records["old"]
    school.add(student("new", student_number="77", family_name="Spuckler"))
    assert school.sync().state == "applied" and school.user("new")
    del school.records["new"]
    school.add(student("old", student_number="88", family_name="Borton"))
    school.sync()
    school.add(student("old", student_number="88", family_name="Hibbert"))
    school.parts = [UserPart(user_id="old", document_id="old", birth_date="2015-02-03")]
    school.sync()
    school.purge(days=31)
    earlier, today = [one.fields for one in runs.history(school.store, "user", "old") if one.action == "update"]
    assert (earlier, today["family_name"]) == ({"family_name": None}, ["Borton", "Hibbert"])
    [rekey] = [one.fields for one in runs.history(school.store, "user", "new") if one.action == "rekey"]
    assert rekey["id"] == ["old", "new"], "ids stay"
    assert (school.user("old")["family_name"], school.user("new")["family_name"]) == ("Hibbert", None)
    assert "2015-02-03" in school.tell(user_parts)


def test_a_section_that_is_gone_loses_its_title_which_may_name_its_teacher(school: School) -> None:
    school.add(Section(id="art", name="Art - Krabappel - 3", number="3", school_id="school"), Section(id="music", school_id="school"))
    school.sync()
    del school.records["art"]
    school.sync()
    school.purge(days=31)
    [section] = roster.record(school.store, "section", "art")
    assert (section["name"], section["number"], section["school_id"]) == (None, "3", "school")


def test_a_teacher_who_stays_loses_what_an_old_enrollment_said_and_nothing_else(school: School) -> None:
    school.add(Section(id="art", school_id="school"), Enrollment(id="e1", section_id="art", user_id="s1"))
    school.add(Enrollment(id="e2", section_id="art", user_id="s2", begin_date="2026-09-01"))
    school.sync()
    del school.records["e2"]
    school.sync()
    school.purge(days=31)
    found = {one["id"]: one for one in roster.records(school.store, "enrollment", status="all")}
    assert (found["e2"]["begin_date"], found["e2"]["user_id"], found["e1"]["section_id"]) == (None, "s2", "art")
    assert school.user("s2")["family_name"] == "Wiggum-s2"


def test_a_guardian_who_is_purged_stays_an_id_among_the_guardians_of_nobody(school: School) -> None:
    school.add(User(id="mother", family_name="Wiggum-m", roles=(Role("guardian"),)))
    school.parts = [UserPart(user_id="s1", document_id="mother", guardian_id="mother")]
    school.sync()
    assert school.user("s1")["guardian_ids"] == ["mother"]
    del school.records["mother"]
    school.parts = []
    school.sync()
    school.purge(days=31)
    assert school.user("mother")["family_name"] is None
    [changed] = [one for one in runs.history(school.store, "user", "s1") if one.action == "update"]
    assert changed.fields == {"guardian_ids": [["mother"], []]}, "the student's history is the student's"


def test_a_run_that_lost_no_value_can_still_be_undone(school: School) -> None:
    school.sync()
    gone = school.records.pop("s1")
    school.sync()
    school.add(gone)
    returned = school.sync()
    purge.purge(school.store, lambda _source: {"history_days": 1}, datetime.now(UTC) + timedelta(days=9), by=OPERATOR)
    assert school.sync(undoes=returned.run, trigger=Trigger.UNDO).state == "applied"
    assert (school.user("s1")["status"], school.user("s1")["family_name"]) == ("inactive", "Wiggum-s1")


def test_a_run_that_slept_through_a_purge_can_not_apply_what_it_planned_before(school: School) -> None:
    school.sync()
    del school.records["s1"]
    school.sync()
    with school.store.write() as connection:
        _, epoch = runs.start(connection, "springfield", mode="full", trigger="manual", at=datetime.now(UTC))
    school.purge(days=31)
    with pytest.raises(Superseded), school.store.read() as connection:
        lease.check_epoch(connection, "springfield", epoch)


@pytest.mark.file
def test_a_backup_from_between_two_purges_of_a_student_is_purged_again(school: School, tmp_path: Path) -> None:
    school.sync()
    gone = school.records.pop("s1")
    school.sync()
    school.purge(days=31)
    school.add(gone)
    school.sync()
    del school.records["s1"]
    school.sync()
    assert school.again(days=32) == []
    shutil.copy(school.store.path, tmp_path / "backup")
    school.purge(days=100)
    school.store.close()
    shutil.copy(tmp_path / "backup", school.store.path)
    assert school.user("s1")["family_name"] == "Wiggum-s1"
    assert school.again(days=101) == [1]
    assert (school.user("s1")["family_name"], school.again(days=102)) == (None, [])


def test_incremental_pulls_do_not_fill_a_purged_student_in(school: School) -> None:
    school.sync()
    del school.records["s1"]
    school.sync()
    school.purge(days=31)
    for _ in range(2):
        school.sync(mode=Mode.INCREMENTAL)
    assert (school.user("s1")["status"], school.user("s1")["family_name"]) == ("inactive", None)


def test_the_tombstones_name_nobody_and_a_line_cut_short_spoils_no_other(school: School) -> None:
    school.sync()
    for one in ("s1", "s2"):
        del school.records[one]
    school.sync()
    purge.forget(school.store, "springfield", "s1", datetime.now(UTC), by=OPERATOR)
    path = school.store.beside.with_name(f"{school.store.beside.name}.purged")
    path.write_text(path.read_text().rstrip("\n")[:-3])
    purge.forget(school.store, "springfield", "s2", datetime.now(UTC), by=OPERATOR)
    stones = tombstones.read(school.store)
    told = {(source, one): stones.mark(source, "user", one) for source in ("springfield", "shelbyville") for one in ("s1", "s2")}
    assert stones.days(told.values()).keys() == {told["springfield", "s2"]}
    assert "s1" not in path.read_text() and "springfield" not in path.read_text()
    assert "'s1'" in school.tell(purged)


def test_tombstones_that_can_not_be_read_stop_the_purge_before_it_begins(school: School) -> None:
    school.sync()
    del school.records["s1"]
    school.sync()
    path = school.store.beside.with_name(f"{school.store.beside.name}.purged")
    path.write_text("something else\n")
    with pytest.raises(Exception, match=r"\.purged.*can not be read"):
        school.purge(days=31)
    assert school.user("s1")["family_name"] == "Wiggum-s1"


@pytest.mark.parametrize("counted", [False, True], ids=["never counted", "counted"])
def test_a_purge_of_four_times_as_many_is_four_times_the_work(counted: bool, tmp_path: Path) -> None:
    """And not sixteen times, whatever the database has counted: in hundreds of steps of SQLite, in pages that PostgreSQL looks at."""
    work = []
    for students in (400, 1_600):
        store = open_store(stores.url(tmp_path, f"{students}.db"))
        district(store, students)
        everybody_left(store)
        if counted:
            store.take_stock()
        with steps(store) as taken:
            proof = purge.purge(store, lambda _source: {"inactive_days": 1}, AT + timedelta(days=1), by=OPERATOR, dry_run=True)
        assert [one.counts["users"] for one in proof.sources] == [students]
        work.append(taken())
        store.close()
    # Sixteen times as much, or thousands a person, is what looking through all for each of them takes.
    assert 0 < work[1] < min(8 * work[0], 200 * 1_600), work


@contextmanager
def steps(store: Store) -> Iterator[Callable[[], int]]:
    """How much the database did meanwhile."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    def watch(connection: Any, _record: object) -> None:
        connection.set_progress_handler(step, 100)

    def asked(question: str) -> int:
        # Each in a transaction of its own: within one, what is told of others stays what it was at first.
        with store.read() as connection:
            return int(connection.execute(text(question)).scalar_one())

    def looked_at() -> int:
        # Who ends tells what it looked at, and is gone.
        deadline = time.monotonic() + WAIT
        while asked(_OTHERS):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return asked(_LOOKED_AT)

    if stores.chosen == "sqlite":
        event.listen(store.engine, "connect", watch)
        yield lambda: count
        event.remove(store.engine, "connect", watch)
    else:
        before = looked_at()
        yield lambda: looked_at() - before


WAIT = 30
_OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
_LOOKED_AT = """
SELECT sum(heap_blks_read + heap_blks_hit + coalesce(idx_blks_read + idx_blks_hit, 0)) FROM pg_statio_user_tables
"""
