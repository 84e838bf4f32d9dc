"""Ways in which a source could take a child away, put another in its place, or make two of it, that no person would have seen.

One small district in memory, and the real runs; each test is a sequence of pulls and of answers.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from syncd.contract.connector import Context
from syncd.contract.document import Presence
from syncd.errors import NothingHeld
from syncd.report import Mode, RunReport, State, Trigger
from syncd.settings.guard import GuardSettings
from syncd.store import Store, open_store, roster
from syncd.sync import run as sync
from tests.model.district import Clock
from tests.model.sis import EPOCH, HONEST, InMemory, Mischief, Said, Sis

STUDENTS, SCHOOL_SIZE = 100, 20


class District:
    """Five schools of twenty students each, in one section a school, pulled once."""

    def __init__(self, folder: Path) -> None:
        self.sis = Sis(dated=True)
        self.records = self.sis.records
        self.limits = GuardSettings()
        self.store: Store = open_store(f"sqlite:///{folder}/roster.db")
        for school in range(STUDENTS // SCHOOL_SIZE):
            self.records["org", f"o{school}"] = {"name": f"School {school}", "type": "school"}
            self.records["section", f"s{school}"] = {"name": "Algebra", "school_id": f"o{school}"}
        for number in range(STUDENTS):
            self.comes(f"u{number}", f"o{number // SCHOOL_SIZE}", number)
        self.pull()

    def comes(self, record_id: str, school: str, number: int, **fields: Any) -> None:
        roles = [{"role": "student", "org_id": school, "primary": True}]
        named = {"given_name": f"Given{number}", "family_name": f"Family{number}", "student_number": f"n{number}"}
        self.records["user", record_id] = {**named, "roles": roles, **fields}
        section = school.replace("o", "s")
        enrollment = {"section_id": section, "user_id": record_id, "school_id": school, "role": "student"}
        self.records["enrollment", f"{section}:{record_id}"] = enrollment

    def leaves(self, record_id: str) -> None:
        del self.records["user", record_id]
        for key in [key for key, fields in self.records.items() if key[0] == "enrollment" and fields["user_id"] == record_id]:
            del self.records[key]

    def changes(self, record_id: str, **fields: Any) -> None:
        self.records["user", record_id] = {**self.records["user", record_id], **fields}

    def run(self, mischief: Mischief = HONEST, **options: Any) -> RunReport:
        Clock.moment += timedelta(minutes=1)
        options.setdefault("limits", self.limits)
        order = sync.Order("springfield", lambda context: InMemory(self.sis, mischief, Said(), context), **options)
        report = sync.run(self.store, order, Context("springfield"))
        assert report.state != State.FAILED, report.error
        return report

    def pull(self, mode: Mode = Mode.FULL, mischief: Mischief = HONEST) -> RunReport:
        self.sis.commit()
        return self.run(mischief, mode=mode)

    def approve(self, report: RunReport, **options: Any) -> RunReport:
        return self.run(approves=report.run, trigger=Trigger.APPROVE, **options)

    def undo(self, report: RunReport, **options: Any) -> RunReport:
        return self.run(undoes=report.run, trigger=Trigger.UNDO, **options)

    def held(self, record_id: str, kind: str = "user") -> dict[str, Any] | None:
        return {record["id"]: record for record in roster.records(self.store, kind, "springfield", status="all")}.get(record_id)

    def active(self, kind: str = "user") -> set[str]:
        return {record["id"] for record in roster.records(self.store, kind, "springfield")}

    def with_number(self, number: str) -> set[str]:
        """The active users with a student number: more than one is a child doubled."""
        return {record["id"] for record in roster.records(self.store, "user", "springfield") if record["student_number"] == number}


def rules(report: RunReport) -> set[str]:
    return {part.rule for part in report.held}


@pytest.fixture
def district(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[District]:
    monkeypatch.setattr(sync, "datetime", Clock)
    monkeypatch.setattr(Clock, "moment", EPOCH)
    made = District(tmp_path)
    yield made
    made.store.close()


# ── the same child twice ─────────────────────────────────────────────────────────────────────────────


def test_a_child_whose_new_id_waits_is_not_doubled_by_a_pull_of_changes(district: District) -> None:
    district.leaves("u1")
    district.comes("x1", "o0", 1)
    assert rules(district.pull()) >= {"rekey"}
    district.changes("x1", grades=["05"])
    district.pull(Mode.INCREMENTAL)
    assert district.with_number("n1") == {"u1"}


def test_a_child_whose_new_id_comes_in_a_pull_of_changes_before_the_old_one_goes_is_not_doubled(district: District) -> None:
    district.comes("x1", "o0", 1)
    district.pull(Mode.INCREMENTAL)
    assert district.with_number("n1") == {"u1"}


def test_children_who_get_new_ids_in_a_pull_that_is_not_whole_are_not_doubled(district: District) -> None:
    for number in range(10):
        district.leaves(f"u{number}")
        district.comes(f"a{number}", "o0", number)
    district.pull(mischief=Mischief(cuts="users"))
    assert district.with_number("n1") <= {"u1"}


def test_who_could_be_one_of_several_does_not_come_by_a_pull_of_changes(district: District) -> None:
    """Two come with the number of one who goes."""
    district.leaves("u1")
    district.comes("x1", "o0", 1)
    district.comes("x2", "o0", 1)
    assert "same-person" in rules(district.pull())
    district.changes("x1", grades=["05"])
    district.pull(Mode.INCREMENTAL)
    assert "x1" not in district.active()


# ── another child in the place of one ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("mode", list(Mode))
def test_an_id_given_to_another_child_waits_where_no_student_numbers_are_sent(district: District, mode: Mode) -> None:
    district.changes("u1", student_number=None, state_id="s1", birth_date="2012-01-01")
    district.pull()
    district.changes("u1", given_name="Grace", family_name="Hopper", state_id="s2", birth_date="2014-05-05")
    assert "another-person" in rules(district.pull(mode))


def test_an_id_given_to_another_child_waits_where_there_are_only_names_and_addresses(district: District) -> None:
    district.changes("u1", student_number=None, email="ada@school.invalid")
    district.pull()
    district.changes("u1", given_name="Grace", family_name="Hopper", email="grace@school.invalid")
    assert "another-person" in rules(district.pull())


def test_brother_and_sister_whose_ids_were_swapped_wait(district: District) -> None:
    district.changes("u1", family_name="Lovelace", state_id="s1", birth_date="2012-01-01")
    district.changes("u2", family_name="Lovelace", state_id="s2", birth_date="2014-05-05")
    district.pull()
    district.records["user", "u1"], district.records["user", "u2"] = district.records["user", "u2"], district.records["user", "u1"]
    assert "another-person" in rules(district.pull())


def test_the_id_of_a_leaver_given_to_a_child_of_the_same_family_name_waits(district: District) -> None:
    district.changes("u1", family_name="Lovelace", state_id="s1", birth_date="2012-01-01")
    district.pull()
    left = dict(district.records["user", "u1"])
    district.leaves("u1")
    district.pull()
    district.records["user", "u1"] = left | {"given_name": "Grace", "student_number": "n900", "state_id": "s9", "birth_date": "2016-03-03"}
    assert "another-person" in rules(district.pull())
    assert district.held("u1")["given_name"] == "Given1"


def test_a_number_that_went_to_a_brother_makes_no_rekey(district: District) -> None:
    district.changes("u1", family_name="Lovelace", state_id="s1", birth_date="2012-01-01")
    district.pull()
    district.leaves("u1")
    district.comes("x1", "o0", 1, given_name="Byron", family_name="Lovelace", state_id="s2", birth_date="2014-05-05")
    assert "rekey" not in rules(district.pull())


def test_a_list_whose_names_slipped_by_a_row_waits(district: District) -> None:
    """A table that was sorted by half: the names of one school stand beside the ids of others."""
    users = [f"u{number}" for number in range(SCHOOL_SIZE)]
    names = [{name: district.records["user", user][name] for name in ("given_name", "family_name")} for user in users]
    for user, name in zip(users, names[1:] + names[:1], strict=True):
        district.changes(user, **name)
    assert district.pull().held


# ── taken away ───────────────────────────────────────────────────────────────────────────────────────


def test_everybody_deleted_in_one_pull_of_changes_waits(district: District) -> None:
    for number in range(STUDENTS):
        district.leaves(f"u{number}")
    assert "empty" in rules(district.pull(Mode.INCREMENTAL))
    assert len(district.active()) == STUDENTS


def test_everybody_but_a_newcomer_deleted_in_one_pull_of_changes_waits(district: District) -> None:
    for number in range(STUDENTS):
        district.leaves(f"u{number}")
    district.comes("new", "o0", 900)
    assert "max_deactivations" in rules(district.pull(Mode.INCREMENTAL))
    assert len(district.active()) == STUDENTS + 1


def test_one_child_in_each_poll_does_not_empty_the_district(district: District) -> None:
    for number in range(0, 40, 2):
        district.leaves(f"u{number}")
        district.pull(Mode.INCREMENTAL)
    assert len(district.active()) == STUDENTS - 5


def test_children_who_flap_do_not_make_room_for_others(district: District) -> None:
    for number in range(10):
        fields = district.records["user", f"u{number}"]
        district.leaves(f"u{number}")
        district.leaves(f"u{number + 20}")
        district.pull()
        district.records["user", f"u{number}"] = fields
        district.pull()
    assert len(district.active()) >= STUDENTS - 5


def test_a_school_under_a_new_id_takes_nobody_with_it(district: District) -> None:
    del district.records["org", "o1"]
    del district.records["section", "s1"]
    district.records["org", "o9"] = {"name": "School 1", "type": "school"}
    district.records["section", "s9"] = {"name": "Algebra", "school_id": "o9"}
    for number in range(20, 40):
        district.leaves(f"u{number}")
        district.comes(f"u{number}", "o9", number)
    district.pull()
    assert len(district.active()) == STUDENTS


def test_children_without_a_school_are_counted_in_the_district(district: District) -> None:
    for number in range(20):
        district.changes(f"u{number}", roles=[{"role": "student", "org_id": None, "primary": False}])
    district.pull()
    for number in range(20):
        district.leaves(f"u{number}")
    district.pull()
    assert len(district.active()) == STUDENTS


def test_an_approval_leaves_the_days_limit_as_it_was(district: District) -> None:
    for number in range(5):
        district.leaves(f"u{number}")
    district.pull()
    for number in range(40, 50):
        district.leaves(f"u{number}")
    district.approve(district.pull())
    district.leaves("u70")
    assert district.pull().held
    assert "u70" in district.active()


def test_a_school_whose_children_were_moved_elsewhere_first_loses_no_more_than_the_day_allows(district: District) -> None:
    for number in range(20):
        district.changes(f"u{number}", roles=[{"role": "student", "org_id": "o1", "primary": True}])
    del district.records["org", "o0"]
    district.pull()
    for number in range(20):
        district.leaves(f"u{number}")
    district.pull()
    assert len(district.active()) == STUDENTS


@pytest.mark.parametrize("mode", list(Mode))
def test_a_school_that_vanishes_and_returns_keeps_its_children(district: District, mode: Mode) -> None:
    before = dict(district.records)
    for key, fields in before.items():
        if key[1] in ("o0", "s0") or fields.get("school_id") == "o0" or (key[0] == "user" and fields["roles"][0]["org_id"] == "o0"):
            del district.records[key]
    district.pull(mode)
    assert {"o0"} <= district.active("org") and len(district.active()) == STUDENTS
    district.records.update(before)
    district.pull(mode)
    assert len(district.active()) == STUDENTS and len(district.active("enrollment")) == STUDENTS


def test_a_child_whom_the_source_could_not_be_asked_for_is_not_doubled(district: District) -> None:
    """Of the missing, some are asked for and the source tells; then it falls silent: who stays for now must not come a second time."""
    for number in (1, 2):
        district.leaves(f"u{number}")
        district.comes(f"x{number}", "o0", number)
    answer = InMemory.answer
    calls: list[str] = []

    def silent(self: InMemory, kind: str, record_id: str) -> Presence:
        calls.append(record_id)
        return answer(self, kind, record_id) if len(calls) == 1 else Presence.CANNOT_TELL

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InMemory, "answer", silent)
        district.pull()
    assert calls and all(len(district.with_number(f"n{number}")) == 1 for number in (1, 2))


def test_a_pull_with_holes_between_two_holds_takes_nobody(district: District) -> None:
    for number in range(30):
        district.leaves(f"u{number}")
    held = district.pull()
    assert held.held
    district.pull(mischief=Mischief(refuses="users"))
    district.pull(Mode.INCREMENTAL)
    assert len(district.active()) == STUDENTS
    with pytest.raises(NothingHeld):
        district.approve(held)


def test_an_approval_takes_nobody_who_came_back_in_a_pull_of_changes(district: District) -> None:
    fields = [(key, dict(value)) for key, value in district.records.items() if key == ("user", "u1") or value.get("user_id") == "u1"]
    for number in range(30):
        district.leaves(f"u{number}")
    held = district.pull()
    district.records.update(fields)
    district.pull(Mode.INCREMENTAL)
    district.approve(held)
    assert "u1" in district.active() and "u2" not in district.active()


def test_a_newcomer_with_a_number_of_an_active_child_comes_once_the_whole_list_says_so(district: District) -> None:
    """The source has two records of one child: that is its word, and no reason to wait for ever."""
    district.comes("x1", "o1", 1)
    assert "same-person" in rules(district.pull(Mode.INCREMENTAL))
    assert not district.pull().held
    assert district.with_number("n1") == {"u1", "x1"}


# ── the way back ─────────────────────────────────────────────────────────────────────────────────────


def test_a_new_id_is_undone_after_the_old_one_went_to_another_child(district: District) -> None:
    """The old id is taken: the change is left out, and said so; nobody is overwritten, and nothing breaks."""
    district.leaves("u1")
    district.comes("x1", "o0", 1)
    approved = district.approve(district.pull())
    assert district.held("u1") is None
    district.comes("u1", "o1", 900)
    district.pull()
    report = district.undo(approved)
    assert report.left_out == 1
    assert district.with_number("n900") == {"u1"}
    assert district.with_number("n1") == {"x1"}


def twice_a_new_id(district: District) -> RunReport:
    """u1 becomes x1, then y1; gives back the first of these runs."""
    first = None
    for old, new in (("u1", "x1"), ("x1", "y1")):
        district.leaves(old)
        district.comes(new, "o0", 1)
        done = district.approve(district.pull())
        first = first or done
    return first


def test_a_forced_undo_of_a_new_id_touches_no_other_child(district: District) -> None:
    """u1 becomes x1, then y1; x1 is given to another child: taking back the first change is not about that one."""
    first = twice_a_new_id(district)
    district.comes("x1", "o0", 900)
    district.pull()
    district.undo(first, force=True)
    assert district.with_number("n900") == {"x1"}
    assert district.with_number("n1") == {"y1"}


def test_a_forced_undo_of_a_change_touches_no_child_who_got_the_id_later(district: District) -> None:
    district.changes("u1", given_name="Ada")
    named = district.pull()
    district.leaves("u1")
    district.comes("x1", "o0", 1, given_name="Ada")
    district.approve(district.pull())
    district.comes("u1", "o0", 900)
    district.pull()
    district.undo(named, force=True)
    assert district.held("u1")["given_name"] == "Given900"


def test_an_id_that_goes_and_returns_keeps_one_child(district: District) -> None:
    for new, old in (("x1", "u1"), ("u1", "x1"), ("x1", "u1")):
        district.leaves(old)
        district.comes(new, "o0", 1)
        district.approve(district.pull())
        assert district.with_number("n1") == {new}


def test_an_undo_does_not_take_a_later_child_of_the_id_for_the_one_it_is_about(district: District) -> None:
    """u1 becomes x1, then y1. Another child comes under x1, and that is undone: x1 is that child's still, though inactive."""
    first = twice_a_new_id(district)
    district.comes("x1", "o1", 900)
    district.undo(district.pull())
    district.undo(first, force=True)
    assert district.with_number("n1") == {"y1"}
    assert district.held("x1")["student_number"] == "n900"
    assert district.held("u1") is None
