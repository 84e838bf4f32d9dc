"""Sequences that once went wrong, found by test_model.py and cut down to what matters. A new one comes here when a seed has failed."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from syncd.report import Mode
from syncd.store import roster
from tests.model.district import OPEN, District
from tests.model.oracle import Limits
from tests.model.sis import Mischief
from tests.model.test_model import student

Founded = Callable[..., District]


@pytest.fixture
def found() -> Iterator[Founded]:
    """Makes a district of one school with two sections and four students, pulled once."""
    made: list[District] = []

    def make(limits: Limits = OPEN, **options: bool) -> District:
        district = District(limits, **options)
        made.append(district)
        records = district.sis.records
        records["org", "o1"] = {"name": "Lincoln", "type": "school"}
        for number in (1, 2):
            records["section", f"s{number}"] = {"name": "Algebra", "school_id": "o1"}
        for number in (1, 2, 3, 4):
            records["user", f"u{number}"] = student(number, "o1")
            section = f"s{number % 2 + 1}"
            enrollment = {"section_id": section, "user_id": f"u{number}", "school_id": "o1", "role": "student"}
            records["enrollment", f"{section}:u{number}"] = enrollment
        district.sis.commit()
        district.pull()
        return district

    yield make
    for district in made:
        district.check_past()
        district.close()


def test_the_people_of_a_section_that_slipped_between_pages_stay_in_it(found: Founded) -> None:
    """The section answered by id and stayed; its enrollments, which only it states, went."""
    district = found(nested=True)
    district.pull(mischief=Mischief(hides=frozenset([("sections", "s1")])))
    assert district.equal()


def test_somebody_whom_an_undo_brought_back_and_who_left_again_is_told_with_the_day_of_leaving(found: Founded) -> None:
    """The undo's log forgot when the record had been deactivated, so that the roster as of then was not what it was."""
    district = found()
    left = district.sis.records.pop(("user", "u1"))
    district.sis.records.pop(("enrollment", "s2:u1"))
    district.sis.commit()
    report = district.pull()
    assert report is not None
    district.undo(report.run)
    district.sis.records["user", "u1"] = left
    district.sis.commit()
    district.pull(Mode.INCREMENTAL)
    district.check_past()


def test_all_that_an_undo_took_back_waits_when_the_source_asks_for_it_again(found: Founded) -> None:
    """Of the first kind only the rows were found."""
    district = found()
    district.undo(1)
    report = district.pull()
    assert report is not None
    assert {part.kind for part in report.held if part.rule == "undone"} == {"orgs", "sections", "users", "enrollments"}
    assert not district.oracle.active("user")


def test_a_new_id_that_is_taken_back_does_not_bring_back_who_has_left_meanwhile(found: Founded) -> None:
    """The forced undo of a rekey made the row active, and its log said nothing of that."""
    district = found(replace(OPEN, rekey=True))
    records = district.sis.records
    records["user", "x1"] = records.pop(("user", "u1"))
    records.pop(("enrollment", "s2:u1"))
    district.sis.commit()
    rekeyed = district.pull()
    records.pop(("user", "x1"))
    district.sis.commit()
    district.pull()
    assert rekeyed is not None
    undone = district.undo(rekeyed.run, force=True)
    assert undone is not None
    [row] = roster.record(district.store, "user", "u1")
    assert (row["status"], row["deactivated_at"] is not None) == ("inactive", True)
    district.undo(undone.run)
    [row] = roster.record(district.store, "user", "x1")
    assert row["status"] == "inactive"


def test_who_waits_to_be_enrolled_waits_on_after_a_pull_whose_enrollments_did_not_all_come(found: Founded) -> None:
    """Such a pull forgot them, so that the student came without the section until the next full pull."""
    district = found()
    records = district.sis.records
    records["enrollment", "s1:u9"] = {"section_id": "s1", "user_id": "u9", "school_id": "o1", "role": "student"}
    district.sis.commit()
    district.pull()
    district.pull(mischief=Mischief(refuses="enrollments"))
    records["user", "u9"] = student(9, "o1")
    district.sis.commit()
    district.pull(Mode.INCREMENTAL)
    [row] = roster.record(district.store, "enrollment", "s1:u9")
    assert row["status"] == "active"
