"""A run can be taken back, whatever it did; the roster can be shown as it was; and what a person undid does not come back by itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from syncd.errors import CanNotUndo, SyncdError
from syncd.report import Mode
from syncd.roster.kinds import PLURALS, SINGULAR
from syncd.sandbox import District, Sandbox, running
from syncd.sandbox.district import User
from syncd.store import roster, runs
from syncd.store.tables import ROSTER
from tests.commands import Commands
from tests.journeys.synced import Synced

CLEVER, ONE, TWO = "clever-3.1", "oneroster-1.1-oauth2", "oneroster-1.2-oauth2"
Snapshot = dict[str, list[dict[str, Any]]]


def active(snapshot: Snapshot) -> Snapshot:
    return {plural: [record for record in records if record["status"] == "active"] for plural, records in snapshot.items()}


def as_of(source: Synced, run: int) -> Snapshot:
    return {plural: list(roster.records_as_of(source.store, SINGULAR[plural], run, status="all")) for plural in PLURALS}


def student(sandbox: Sandbox) -> User:
    """One of many at the largest school, so that no limit minds."""
    return next(
        user
        for user in sandbox.district.users.values()
        if not user.gone and not user.guardians and any(r.role == "student" for r in user.roles)
    )


def renamed(sandbox: Sandbox) -> None:
    sandbox.put("users", id=student(sandbox).id, given_name="Renamed", middle_name="Middle")


def left(sandbox: Sandbox) -> None:
    sandbox.delete("users", student(sandbox).id)


def returned(sandbox: Sandbox) -> None:
    gone = next(user for user in sandbox.district.users.values() if user.gone)
    sandbox.put("users", id=gone.id, given_name="Returned")


def joined(sandbox: Sandbox) -> None:
    old = student(sandbox)
    roles = [{"role": "student", "org": old.primary_org}]
    sandbox.put("users", given_name="Newcomer", family_name="Vega", roles=roles, primary_org=old.primary_org)


def lived(sandbox: Sandbox) -> None:
    sandbox.day(1)


# ── taking back ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("dialect", "happen"), [(TWO, renamed), (TWO, left), (TWO, returned), (TWO, joined), (TWO, lived), (CLEVER, returned), (CLEVER, lived)]
)
def test_an_undone_run_leaves_the_roster_as_it_was_and_waits_to_be_asked_for_again(
    dialect: str, happen: Callable[[Sandbox], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(District.generate(students=25, seed=61)) as sandbox:
        source = Synced(sandbox, tmp_path, dialect, monkeypatch)
        source.sync()
        left(sandbox)
        source.sync()
        before = source.everything()
        happen(sandbox)
        run = source.sync()
        after = source.everything()
        assert run.state == "applied" and active(after) != active(before)

        undone = source.undo(run.run)
        assert (undone.state, undone.trigger, undone.settles, undone.left_out) == ("applied", "undo", run.run, 0)
        assert active(source.everything()) == active(before)
        assert (told := runs.get(source.store, run.run)).state == "undone" and told.settled_by == undone.run

        assert as_of(source, run.run) == after and active(as_of(source, undone.run)) == active(before)
        changes = {(change.kind, change.record_id) for change in runs.changes_of(source.store, run.run)}
        assert {(change.kind, change.record_id) for change in runs.changes_of(source.store, undone.run)} == changes

        again = source.sync()
        assert again.state == "held" and {held.rule for held in again.held} <= {"undone", "depends"}
        assert active(source.everything()) == active(before)
        assert source.approve(again.run).state == "applied"
        assert source.differences() == []
        assert source.sync().held == []


def test_a_first_sync_can_be_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=30, seed=62)) as sandbox:
        source = Synced(sandbox, tmp_path, TWO, monkeypatch)
        first = source.sync()
        source.undo(first.run)
        assert not any(roster.active_counts(source.store, "springfield").values())
        again = source.sync()
        assert again.state == "held" and not any(roster.active_counts(source.store, "springfield").values())
        source.approve(again.run)
        assert source.differences() == []
        created = {record["id"] for record in roster.records(source.store, "user", status="all")}
        assert created == {record["id"] for record in roster.records(source.store, "user")}, "they are the same records again"


def test_a_poll_does_not_bring_back_what_was_undone_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=25, seed=63)) as sandbox:
        source = Synced(sandbox, tmp_path, TWO, monkeypatch)
        source.sync()
        joined(sandbox)
        run = source.sync(mode=Mode.INCREMENTAL)
        assert run.counts["users"].created == 1
        source.undo(run.run)
        before = source.everything()
        again = source.sync(mode=Mode.INCREMENTAL)
        assert (again.mode, again.state, [held.rule for held in again.held]) == ("incremental", "held", ["undone"])
        assert source.everything() == before


def test_a_student_who_gets_back_the_old_school_counts_for_it_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=25, seed=64)) as sandbox:
        source = Synced(sandbox, tmp_path, TWO, monkeypatch)
        source.sync()
        who = student(sandbox)
        home = home_of(source, who.id)
        top = next(org.id for org in sandbox.district.orgs.values() if org.type == "district")
        other = sandbox.put("orgs", name="Harbor School", type="school", parent=top).id
        sandbox.put("users", id=who.id, roles=[{"role": "student", "org": other}], primary_org=other)
        run = source.sync()
        assert home_of(source, who.id) == other != home
        source.undo(run.run)
        assert home_of(source, who.id) == home


def home_of(source: Synced, record_id: str) -> Any:
    table = ROSTER["user"]
    with source.store.read() as connection:
        return connection.execute(table.select().where(table.c.id == record_id)).one().home_id


@pytest.mark.parametrize("scenario", ["mass-removal", "sis-migration"])
def test_an_approved_hold_can_be_undone(scenario: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=25, seed=65)) as sandbox:
        source = Synced(sandbox, tmp_path, TWO, monkeypatch)
        source.sync()
        sandbox.rehearse(scenario)
        held = source.sync()
        assert held.state == "held"
        before, ids = source.everything(), {record["id"] for record in roster.records(source.store, "user")}
        approved = source.approve(held.run)
        assert approved.state == "applied" and ids != {record["id"] for record in roster.records(source.store, "user")}
        source.undo(approved.run)
        assert active(source.everything())["users"] == active(before)["users"]
        assert active(source.everything()) == active(before)


# ── what happened since ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A source whose runs 2 and 3 both changed one student, run 3 another one, too."""
    with running(District.generate(students=25, seed=66)) as sandbox:
        source = Synced(sandbox, tmp_path, CLEVER, monkeypatch)
        source.sync()
        who = student(sandbox)
        for middle in ("Second", "Third"):
            sandbox.put("users", id=who.id, middle_name=middle)
            if middle == "Third":
                left_behind = next(user for user in sandbox.district.users.values() if user.id != who.id and not user.gone and user.email)
                sandbox.put("users", id=left_behind.id, middle_name="Third")
            assert source.sync().state == "applied"
        yield source, who.clever_id


def middle(source: Synced, record_id: str) -> Any:
    return roster.record(source.store, "user", record_id)[0]["middle_name"]


def test_an_undo_is_refused_where_later_runs_changed_the_same_records(twice: tuple[Synced, str]) -> None:
    source, who = twice
    before, count = source.everything(), len(runs.recent(source.store))
    with pytest.raises(CanNotUndo, match=r"later runs changed 1 of the same records: user \w+ \(run 3\)") as told:
        source.undo(2)
    assert told.value.conflicts == (("user", who, 3),)
    with pytest.raises(CanNotUndo):
        source.undo(2, dry_run=True)
    assert source.everything() == before and len(runs.recent(source.store)) == count
    assert source.undo(2, force=True, dry_run=True).state == "planned"
    assert source.everything() == before


def test_a_forced_undo_puts_back_what_that_run_changed(twice: tuple[Synced, str]) -> None:
    source, who = twice
    first = [record for record in as_of(source, 1)["users"] if record["id"] == who]
    assert source.undo(2, force=True).state == "applied"
    assert roster.record(source.store, "user", who) == first


def test_runs_are_undone_one_after_the_other_from_the_latest(twice: tuple[Synced, str]) -> None:
    source, _ = twice
    first, second = as_of(source, 1), as_of(source, 2)
    source.undo(3)
    assert source.everything() == second
    source.undo(2)
    assert source.everything() == first


def test_an_undo_can_be_undone(twice: tuple[Synced, str]) -> None:
    source, _ = twice
    after = source.everything()
    undone = source.undo(3)
    source.undo(undone.run)
    assert source.everything() == after
    assert [runs.get(source.store, run).state for run in (2, 3, 4, 5)] == ["applied", "applied", "undone", "applied"]
    assert source.sync().held == [], "the run that stands again is nothing that a person undid"
    with pytest.raises(CanNotUndo, match=r"\(run 3\)"):
        source.undo(2)
    source.undo(3)
    source.undo(2)
    assert source.everything() == as_of(source, 1)


def test_who_leaves_after_an_undo_was_undone_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=25, seed=67)) as sandbox:
        source = Synced(sandbox, tmp_path, CLEVER, monkeypatch)
        source.sync()
        joined(sandbox)
        came = source.sync()
        source.undo(source.undo(came.run).run)
        newcomer = next(user for user in sandbox.district.users.values() if user.given_name == "Newcomer")
        sandbox.delete("users", newcomer.id)
        assert source.sync().state == "applied"
        assert source.differences() == []


@pytest.mark.parametrize("settle", ["failed", "planned", "undone"])
def test_there_is_nothing_to_undo_in_a_run_that_applied_nothing(settle: str, twice: tuple[Synced, str]) -> None:
    source, _ = twice
    run = 3
    if settle == "undone":
        source.undo(run)
    elif settle == "planned":
        run = source.sync(dry_run=True).run
    else:
        source.sandbox.fault("status", path="/users", status=400)
        run = source.sync().run
    with pytest.raises(SyncdError, match=f"run {run} is {settle}: there is nothing to undo"):
        source.undo(run)


# ── as of ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("dialect", [CLEVER, ONE])
def test_the_roster_is_shown_as_it_was_after_each_run(dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=25, seed=67)) as sandbox:
        source = Synced(sandbox, tmp_path, dialect, monkeypatch)
        kept: dict[int, Snapshot] = {}

        def keep(run: int) -> None:
            kept[run] = source.everything()

        keep(source.sync().run)
        for happen in (left, renamed, returned, lived):
            happen(sandbox)
            keep(source.sync().run)
        keep(source.undo(3).run if dialect != CLEVER else source.undo(3, force=True).run)
        sandbox.rehearse("sis-migration")
        held = source.sync()
        keep(held.run)
        approved = source.approve(held.run)
        keep(approved.run)
        keep(source.undo(approved.run).run)
        for run, snapshot in kept.items():
            shown = as_of(source, run)
            assert shown == snapshot, (run, [plural for plural in PLURALS if shown[plural] != snapshot[plural]])
        at = runs.get(source.store, 2).finished_at
        assert at is not None
        assert list(roster.records_as_of(source.store, "user", at, status="all")) == kept[2]["users"]


# ── the command line ─────────────────────────────────────────────────────────────────────────────────


def test_undo_on_the_command_line(twice: tuple[Synced, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, who = twice
    syncd = Commands(source.sandbox, tmp_path, monkeypatch)
    refused = syncd("undo", 2)
    assert refused.code == 1 and f"user {who} (run 3)" in refused.err and "--force" in refused.err
    dry = syncd("undo", 3, "--dry-run")
    assert dry.code == 0 and "planned" in dry.out
    done = syncd("undo", 3)
    assert done.code == 0 and "Takes back run 3." in done.out
    number = runs.recent(source.store, limit=1)[0].run
    assert f"Undone by run {number}." in syncd("runs", "show", 3).out
    shown = syncd("sync", "springfield", "--full")
    assert shown.code == 3 and "a person undid just that" in shown.out
    assert syncd("undo", 99).code == 1 and "there is no run 99" in syncd("undo", 99).err


def test_as_of_on_the_command_line(twice: tuple[Synced, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, who = twice
    syncd = Commands(source.sandbox, tmp_path, monkeypatch)
    assert '"middle_name":"Third"' in syncd("roster", "users", "--search", who, "--json").out
    assert '"middle_name":"Second"' in syncd("roster", "users", "--search", who, "--as-of", 2, "--json").out
    assert '"Third"' in syncd("roster", "users", "--search", who, "--as-of", "2999-01-01T00:00", "--json").out
    assert "No users." in syncd("roster", "users", "--as-of", "2020-01-01").out
    for wrong, code, told in (("yesterday", 2, "--as-of takes a run's number, or a time such as"), ("99", 1, "there is no run 99")):
        refused = syncd("roster", "users", "--as-of", wrong)
        assert refused.code == code and told in refused.err and len(refused.err.splitlines()) == 1
