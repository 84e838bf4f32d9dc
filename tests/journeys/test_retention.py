"""What is purged, what stays, and that nothing goes without a policy: over real sockets, in a real file."""

import io
import os
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, select

from syncd.errors import CanNotUndo, StoreError
from syncd.observe import logs
from syncd.roster.kinds import PLURAL
from syncd.sandbox import District, Sandbox, running
from syncd.store import Store, lease, open_store, purge, roster, runs, sqlite
from syncd.store.tables import ROSTER, changes, metadata
from tests.journeys.synced import Synced
from tests.who import OPERATOR

CLEVER, ONEROSTER = "clever-3.1", "oneroster-1.2-oauth2"
YEAR = {"inactive_days": 365}
WORD, BORN = "zqcanary", "1931-07-19"

# What is left in the file's bytes is asked of the file.
pytestmark = pytest.mark.file


@pytest.fixture(scope="module", autouse=True)
def plain_sqlite() -> Iterator[None]:
    """Debian's SQLite writes zeros over what is deleted, others do not: here none does."""

    def on_connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA secure_delete = OFF").close()

    event.listen(Engine, "connect", on_connect)
    yield
    event.remove(Engine, "connect", on_connect)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with running(District.generate(students=30, seed=51)) as served:
        yield served


@pytest.fixture
def source(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Synced:
    return left(Synced(sandbox, tmp_path, ONEROSTER, monkeypatch))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Such a store, for the tests that need no source any more."""
    logs.configure(json=True, strict=True, stream=io.StringIO())
    folder = tmp_path_factory.mktemp("kept")
    with running(District.generate(students=30, seed=51)) as served, pytest.MonkeyPatch.context() as monkeypatch:
        left(Synced(served, folder, ONEROSTER, monkeypatch)).store.close()
    return folder


@pytest.fixture
def store(kept: Path, tmp_path: Path) -> Store:
    for path in kept.iterdir():
        shutil.copy(path, tmp_path)
    return open_store(f"sqlite:///{tmp_path}/roster.db")


def left(source: Synced) -> Synced:
    """A student whose every field tells who it is came, changed, moved from one section to another, and left."""
    sandbox = source.sandbox
    school = next(org["id"] for org in sandbox.expected("oneroster-1.2", "orgs") if org["type"] == "school")
    sections = [section["id"] for section in sandbox.expected("oneroster-1.2", "sections") if section["school_id"] == school]
    sandbox.put(
        "users", id="child", given_name=f"{WORD}A", family_name=f"{WORD}B", middle_name=f"{WORD}C", preferred_given_name=f"{WORD}D",
        preferred_family_name=f"{WORD}E", username=f"{WORD}f", email=f"{WORD}@springfield.example", phone=f"{WORD}g", number=f"{WORD}h",
        state_id=f"{WORD}i", sis_id=f"{WORD}j", birth_date=BORN, gender="F", grades=["03"],
        roles=[{"role": "student", "org": school}], primary_org=school,
    )  # fmt: skip
    sandbox.put("users", id="nameless", given_name=None, family_name=None, roles=[{"role": "student", "org": school}])
    for section in sections[:2]:
        sandbox.put("enrollments", id=f"child-{section}", section=section, user="child", role="student")
    assert source.sync().state == "applied"
    sandbox.put("users", id="child", given_name=f"{WORD}K")
    assert source.sync().counts["users"].updated == 1
    sandbox.delete("users", "child")
    report = source.sync()
    assert (report.state, report.counts["users"].deactivated) == ("applied", 1)
    return source


def child(store: Store) -> dict[str, Any]:
    [record] = roster.record(store, "user", "child")
    return record


def later(store: Store, **span: int) -> datetime:
    """So long after the child left."""
    at: datetime = child(store)["deactivated_at"]
    return at + timedelta(**span)


def purged(store: Store, at: datetime, policy: dict[str, int] = YEAR, **options: Any) -> purge.Proof:
    return purge.purge(store, lambda _source: policy, at, by=OPERATOR, **options)


def rows(store: Store) -> dict[str, list[Any]]:
    """The whole store, table by table."""
    with store.read() as connection:
        return {table.name: sorted(map(repr, connection.execute(select(table)))) for table in metadata.sorted_tables}


def everything(store: Store) -> dict[str, list[dict[str, Any]]]:
    return {plural: list(roster.records(store, kind, status="all")) for kind, plural in PLURAL.items()}


def files_with(store: Store, *words: str) -> set[str]:
    """The store's files in which one of the words stands."""
    found = store.path.parent.glob(f"{store.path.name}*")
    return {path.name for path in found if any(word.encode() in path.read_bytes() for word in words)}


@pytest.mark.parametrize(
    ("before", "gone"), [(timedelta(microseconds=1), False), (timedelta(0), True), (timedelta(days=-30), True)], ids=["under", "at", "over"]
)
def test_a_leaver_is_purged_when_the_days_are_over_and_not_a_moment_before(store: Store, before: timedelta, gone: bool) -> None:
    purged(store, later(store, days=365) - before)
    assert ("purged_at" in child(store)) == gone
    assert (child(store)["family_name"] is None) == gone


@pytest.mark.parametrize("dialect", [CLEVER, ONEROSTER])
def test_nothing_that_tells_who_it_was_is_left_in_any_file(
    dialect: str, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = left(Synced(sandbox, tmp_path, dialect, monkeypatch))
    [record] = [one for one in roster.records(source.store, "user", status="inactive") if one["family_name"] == f"{WORD}B"]
    assert files_with(source.store, WORD, BORN) != set()
    proof = purged(source.store, record["deactivated_at"] + timedelta(days=365))
    assert proof.wiped and files_with(source.store, WORD, BORN) == set()
    [still] = roster.record(source.store, "user", record["id"])
    assert {name for name, value in still.items() if value} == {"source", "id", "status", "deactivated_at", "purged_at"}
    assert still["deactivated_at"] == record["deactivated_at"]
    assert source.store.path.with_name("roster.db.purged").stat().st_mode & 0o077 == 0


def test_ids_dates_and_what_happened_stay(store: Store) -> None:
    before = runs.history(store, "user", "child")
    enrolled = [one for one in roster.records(store, "enrollment", status="inactive") if one["user_id"] == "child"]
    proof = purged(store, later(store, days=365))
    after = runs.history(store, "user", "child")
    assert [(one.run, one.action, one.at, list(one.fields)) for one in after] == [
        (one.run, one.action, one.at, list(one.fields)) for one in before
    ]
    assert [one.fields for one in after if one.action == "update"] == [{"given_name": None}]
    still = [one for one in roster.records(store, "enrollment", status="inactive") if one["user_id"] == "child"]
    assert [(one["id"], one["deactivated_at"]) for one in still] == [(one["id"], one["deactivated_at"]) for one in enrolled]
    assert enrolled and not any(one["section_id"] or one["role"] for one in still)
    [gone] = proof.sources
    assert (gone.counts["users"], gone.counts["enrollments"]) == (1, len(enrolled))
    assert {kind: len(list(marks)) for kind, marks in purge.marks(store, "springfield", proof.at).items()} == {
        "sections": 0, "users": 1, "enrollments": len(enrolled),
    }  # fmt: skip
    assert "child" not in repr(proof)
    [told] = purge.history_of(store)
    assert (told["account"], told["policy"], told["counts"], told["wiped_at"]) == ("operator", YEAR, gone.counts, proof.at)


def test_who_is_still_there_is_untouched(source: Synced) -> None:
    def others() -> dict[str, list[dict[str, Any]]]:
        return {
            kind: [one for one in found if one["id"] != "child" and one.get("user_id") != "child"]
            for kind, found in source.everything().items()
        }

    before = others()
    purged(source.store, later(source.store, days=3650))
    assert others() == before
    assert source.differences() == []
    assert source.sync().counts["users"].updated == 0


@pytest.mark.parametrize("policy", [{}, {"quarantine_days": 1}, {"log_days": 1}], ids=["none", "quarantine", "log"])
def test_nobody_is_purged_without_a_policy_that_says_so(store: Store, policy: dict[str, int]) -> None:
    before = everything(store)
    history = runs.history(store, "user", "child")
    purged(store, later(store, days=30_000), policy)
    assert (everything(store), runs.history(store, "user", "child")) == (before, history)


def test_a_dry_run_says_what_would_go_and_changes_nothing(store: Store) -> None:
    at = later(store, days=365)
    before, names = rows(store), sorted(path.name for path in store.path.parent.iterdir())
    shown = purged(store, at, dry_run=True)
    assert (rows(store), sorted(path.name for path in store.path.parent.iterdir())) == (before, names)
    done = purged(store, at)
    assert [one.counts for one in shown.sources] == [one.counts for one in done.sources] != []
    assert purged(store, at + timedelta(days=1)).sources == [], "the second time there is nothing left"


def test_a_purged_student_who_returns_is_the_same_record_with_what_the_source_sends_now(source: Synced) -> None:
    created = source.store
    with created.read() as connection:
        user = ROSTER["user"].c
        first = connection.execute(select(user.created_run).where(user.id == "child")).scalar_one()
    purged(source.store, later(source.store, days=365))
    source.sandbox.put("users", id="child", given_name="Maggie")
    report = source.sync()
    assert (report.counts["users"].reactivated, report.counts["users"].created) == (1, 0)
    assert source.differences() == []
    assert "purged_at" not in child(source.store) and child(source.store)["birth_date"] == BORN
    with created.read() as connection:
        assert connection.execute(select(user.created_run).where(user.id == "child")).scalar_one() == first
    purged(source.store, report.finished_at + timedelta(days=4000))
    assert child(source.store)["given_name"] == "Maggie", "who is active is never purged"
    source.sandbox.delete("users", "child")
    source.sync()
    purged(source.store, later(source.store, days=364))
    assert child(source.store)["given_name"] == "Maggie", "the days count anew"
    purged(source.store, later(source.store, days=365))
    assert child(source.store)["given_name"] is None


def test_a_run_whose_values_were_purged_can_not_be_undone_and_says_so(source: Synced) -> None:
    deactivated = runs.recent(source.store)[0].run
    purged(source.store, later(source.store, days=365))
    before = source.everything()
    for number in (deactivated, deactivated - 1):
        for force in (False, True):
            with pytest.raises(CanNotUndo, match=f"run {number} can not be undone: its values were purged on 20"):
                source.undo(number, force=force)
    assert source.everything() == before


def test_old_values_go_with_their_days_and_the_record_stays(source: Synced) -> None:
    changed = runs.recent(source.store)[1]
    assert changed.finished_at is not None
    name = child(source.store)["given_name"]
    days = {"history_days": 90}
    purged(source.store, changed.finished_at + timedelta(days=90) - timedelta(microseconds=1), days)
    assert list(runs.changes_of(source.store, changed.run))[0].fields["given_name"] == [f"{WORD}A", f"{WORD}K"]
    purged(source.store, changed.finished_at + timedelta(days=90), days)
    assert list(runs.changes_of(source.store, changed.run))[0].fields == {"given_name": None}
    assert child(source.store)["given_name"] == name
    assert files_with(source.store, f"{WORD}A") == set()
    with pytest.raises(CanNotUndo, match="purged"):
        source.undo(changed.run, force=True)


def test_the_roster_as_it_was_shows_what_is_no_longer_known_as_such(store: Store) -> None:
    first = runs.recent(store)[2].run
    [then] = [one for one in roster.records_as_of(store, "user", first) if one["id"] == "child"]
    assert then["given_name"] == f"{WORD}A" and "purged_at" not in then
    at = later(store, days=365)
    purged(store, at)
    [then] = [one for one in roster.records_as_of(store, "user", first) if one["id"] == "child"]
    assert (then["status"], then["given_name"], then["purged_at"]) == ("active", None, at)


def test_old_lists_and_logs_go_with_their_days(store: Store) -> None:
    first = runs.recent(store)[2]
    assert list(runs.log_lines(store, first.run))
    purged(store, datetime.now(UTC) + timedelta(days=29), {"log_days": 30, "quarantine_days": 30})
    assert list(runs.log_lines(store, first.run))
    assert list(runs.quarantined(store, "springfield"))
    purged(store, datetime.now(UTC) + timedelta(days=30), {"log_days": 30, "quarantine_days": 30})
    assert not [*runs.log_lines(store, first.run), *runs.quarantined(store, "springfield")]
    assert runs.get(store, first.run) == first, "that the run was, and what it counted, stays"


@pytest.mark.fault("S19")
def test_a_restored_backup_does_not_bring_a_purged_child_back(store: Store, tmp_path: Path) -> None:
    at = later(store, days=365)
    backup = tmp_path / "backup"
    with closing(sqlite3.connect(store.path)) as connection:
        connection.execute("VACUUM INTO ?", (str(backup),))
    purged(store, at)
    restore(store, backup)
    assert child(store)["family_name"] == f"{WORD}B"
    proof = purged(store, at, {})
    assert [one.counts["again"] for one in proof.sources] == [1]
    assert child(store)["family_name"] is None and files_with(store, WORD) == set()
    assert purged(store, at + timedelta(days=1), {}).sources == []


@pytest.mark.fault("S19")
def test_a_backup_from_before_the_child_left_is_purged_when_the_next_pull_shows_that_it_is_gone(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Synced(sandbox, tmp_path, ONEROSTER, monkeypatch)
    backups: list[Path] = []

    def keep(*_: Any) -> None:
        backups.append(tmp_path / f"backup{len(backups)}")
        shutil.copy(source.store.path, backups[-1])

    sync = source.sync
    monkeypatch.setattr(source, "sync", lambda **options: (sync(**options), keep())[0])
    left(source)
    purged(source.store, later(source.store, days=365))
    restore(source.store, backups[1])
    assert child(source.store)["status"] == "active"
    assert purged(source.store, datetime.now(UTC), {}).sources == [], "the source may have them again"
    sync()
    purged(source.store, datetime.now(UTC), {})
    assert (child(source.store)["status"], child(source.store)["family_name"]) == ("inactive", None)


def restore(store: Store, backup: Path) -> None:
    store.close()
    for ending in ("-wal", "-shm"):
        Path(f"{store.path}{ending}").unlink(missing_ok=True)
    shutil.copy(backup, store.path)


def test_a_file_that_could_not_be_rewritten_is_by_the_next_purge(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    at = later(store, days=365)
    monkeypatch.setattr(sqlite, "WAIT_FOR_READER", 0)
    with store.read() as reader:
        reader.execute(select(changes).limit(1)).all()
        assert purged(store, at).wiped is False
        assert child(store)["family_name"] is None
    again = purged(store, at + timedelta(days=1))
    assert (again.sources, again.wiped, files_with(store, WORD, BORN)) == ([], True, set())


def test_while_a_run_goes_on_nothing_is_purged(store: Store) -> None:
    at = later(store, days=365)
    with lease.hold(store, "springfield"):
        proof = purged(store, at)
    assert (proof.busy, proof.sources, child(store)["family_name"]) == (["springfield"], [], f"{WORD}B")
    assert purged(store, at).sources


def test_one_who_asks_is_forgotten_at_once_and_one_who_is_active_is_not(source: Synced) -> None:
    at = datetime.now(UTC)
    with pytest.raises(StoreError, match="no user"):
        purge.forget(source.store, "springfield", "nobody", at, by=OPERATOR)
    active = next(roster.records(source.store, "user"))["id"]
    with pytest.raises(StoreError, match="is active"):
        purge.forget(source.store, "springfield", active, at, by=OPERATOR)
    purge.forget(source.store, "springfield", "child", at, by=OPERATOR, dry_run=True)
    assert child(source.store)["family_name"] == f"{WORD}B"
    purge.forget(source.store, "springfield", "child", at, by=OPERATOR)
    assert child(source.store)["family_name"] is None and files_with(source.store, WORD, BORN) == set()
    assert [one["policy"] for one in purge.history_of(source.store)] == [None]
    purge.forget(source.store, "springfield", active, at + timedelta(seconds=1), by=OPERATOR, force=True)
    [forgotten] = roster.record(source.store, "user", active)
    assert (forgotten["status"], forgotten["family_name"]) == ("active", None)
    source.sync()
    assert source.differences() == [], "the next full pull brings back what the source still sends"


def test_killed_at_any_statement_the_store_is_as_before_or_as_after(store: Store, tmp_path: Path) -> None:
    """In a process of its own, with SIGKILL before its n-th statement or commit."""
    at, copy = later(store, days=365), tmp_path / "copy"
    before = rows(store)
    store.close()

    def anew() -> Store:
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        shutil.copy(store.path, copy)
        return open_store(f"sqlite:///{copy}/roster.db")

    total = statements(anew(), at)
    outcomes, left_over = [], []
    for number in (*range(1, total - 5, 9), *range(total - 5, total + 1)):
        here = anew()
        pid = os.fork()
        if pid == 0:
            try:
                statements(here, at, killed_at=number)
            finally:
                os._exit(1)
        assert os.WIFSIGNALED(os.waitpid(pid, 0)[1])
        outcomes.append("purged_at" in child(here))
        if outcomes[-1]:
            left_over.append(files_with(here, WORD, BORN) != set())
            assert purged(here, at + timedelta(days=1), {}).wiped and files_with(here, WORD, BORN) == set()
        else:
            assert rows(here) == before
            assert purged(here, at).sources and child(here)["family_name"] is None
    assert set(outcomes) == {False, True} and outcomes == sorted(outcomes)
    assert any(left_over), "some were killed before the file was rewritten, and the next purge did that"


def statements(store: Store, at: datetime, killed_at: int | None = None) -> int:
    """Purge, and count the statements and commits; or be killed before one of them."""
    count = 0

    def on_statement(*_: Any) -> None:
        nonlocal count
        count += 1
        if count == killed_at:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(store.engine, "before_cursor_execute", on_statement)
    event.listen(store.engine, "commit", on_statement)
    purged(store, at)
    return count


def test_a_change_is_not_lost_from_the_log_by_a_purge(store: Store) -> None:
    with store.read() as connection:
        before = connection.execute(select(changes.c.source, changes.c.run, changes.c.kind, changes.c.record_id, changes.c.action)).all()
    purged(store, later(store, days=4000), YEAR | {"history_days": 1})
    with store.read() as connection:
        after = connection.execute(select(changes.c.source, changes.c.run, changes.c.kind, changes.c.record_id, changes.c.action)).all()
    assert after == before
