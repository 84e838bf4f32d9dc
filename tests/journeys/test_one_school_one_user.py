"""Sync now, one school or one student: what belongs there comes, nobody else is asked for, and nobody is lost by it."""

from pathlib import Path
from typing import Any

import pytest

from syncd.contract.connector import Context
from syncd.report import RunReport
from syncd.roster.scope import Scope
from syncd.sandbox import District, Sandbox, running
from syncd.sandbox.district import Org, User
from syncd.settings.guard import GuardSettings
from syncd.store import roster, runs
from tests.journeys.synced import DIALECTS, Synced
from tests.journeys.test_pulls_of_changes import FREE, changed, kept_cursor

CLEVER, TWO = "clever-3.1", "oneroster-1.2-oauth2"
BOTH = [CLEVER, TWO]
NOTHING = (0, 0, 0, 0)
ONE = r"/(users|sections|classes|enrollments)/[^/?]+$"


class Schools(Synced):
    """A synced district of two schools, `here` and `there`."""

    def __init__(self, sandbox: Sandbox, folder: Path, dialect: str, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
        super().__init__(sandbox, folder, dialect, monkeypatch, **settings)
        monkeypatch.setattr(Context, "wait", lambda self, seconds: None)
        self.clever = dialect.startswith("clever")
        self.here, self.there = (org for org in sandbox.district.orgs.values() if org.type == "school")
        sandbox.day(1)
        assert self.sync().state == "applied"
        self.before = len(sandbox.requests())

    def id(self, record: Any) -> str:
        return str(record.clever_id if self.clever else record.id)

    def one(self, record: Org | User, **options: Any) -> RunReport:
        """Sync one school or one user."""
        self.before = len(self.sandbox.requests())
        return self.sync(scope=Scope("school" if isinstance(record, Org) else "user", self.id(record)), **options)

    def asked(self) -> list[str]:
        """What the latest run asked for, without tokens."""
        found = [f"{seen.path.partition('v1p')[2] or seen.path}?{seen.query}" for seen in self.sandbox.requests()[self.before :]]
        return [one for one in found if "oauth" not in one]

    def students(self, school: Org) -> list[User]:
        """Those without guardians and brothers or sisters, who would go with them."""
        people = self.sandbox.district.users.values()
        at = [user for user in people if user.grades and not user.gone and any(role.org == school.id for role in user.roles)]
        return [user for user in at if not user.guardians]

    def newcomer(self, school: Org) -> User:
        """A new student with a guardian, in a new section of a new course in a new term."""
        put, place = self.sandbox.put, school.id
        course = put("courses", name="Astronomy", org=place)
        term = put("terms", name="Trimester 1", type="term", first_day="2026-08-17", last_day="2026-11-20")
        section = put("sections", name="Astronomy 1", type="scheduled", school=place, course=course.id, terms=[term.id])
        guardian = put("users", given_name="Philipp", family_name="Furch", roles=[{"role": "guardian", "org": place}])
        student = put(
            "users",
            given_name="Vera",
            family_name="Furch",
            birth_date="2014-05-06",
            grades=["07"],
            roles=[{"role": "student", "org": place}],
            primary_org=place,
            guardians=[{"id": guardian.id}],
        )
        put("enrollments", section=section.id, user=student.id, role="student")
        assert isinstance(student, User)
        return student

    def belongings(self, school: Org) -> list[str]:
        """The ids of the users, sections and enrollments of a school."""
        district = self.sandbox.district
        users = [user for user in district.users.values() if any(role.org == school.id for role in user.roles)]
        sections = [section for section in district.sections.values() if section.school == school.id]
        enrollments = [one.id for section in sections for one in district.in_section.get(section.id, ())]
        return [self.id(one) for one in (*users, *sections)] + enrollments

    def active(self, record: User) -> bool:
        found = roster.record(self.store, "user", self.id(record))
        return bool(found) and found[0]["status"] == "active"

    def enrolled(self, record: User, school: Org) -> int:
        rows = roster.records(self.store, "enrollment")
        return sum((row["user_id"], row["school_id"]) == (self.id(record), self.id(school)) for row in rows)


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes the district for a dialect."""
    with running(District.generate(students=16, seed=126, schools=2)) as sandbox:
        yield lambda dialect, **settings: Schools(sandbox, tmp_path, dialect, monkeypatch, **settings)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_new_student_comes_in_with_the_school_or_alone_and_no_other_school_is_touched_or_asked_for(dialect: str, make: Any) -> None:
    source = make(dialect)
    cursor = kept_cursor(source)
    with_the_school, alone = source.newcomer(source.here), source.newcomer(source.there)
    elsewhere = source.students(source.there)[0]
    source.sandbox.put("users", id=elsewhere.id, given_name="Renamed")

    report = source.one(source.here)
    assert (report.state, report.mode, report.doubts) == ("applied", "incremental", [])
    assert report.scope == Scope("school", source.id(source.here))
    assert source.active(with_the_school) and source.enrolled(with_the_school, source.here) == 1
    others = {source.id(one) for one in (source.there, elsewhere, alone)}
    assert not [one for one in source.asked() if any(other in one for other in others)]
    lists = [one for one in source.asked() if "limit=" in one and "mycontacts" not in one]
    assert lists and all(f"/schools/{source.id(source.here)}/" in one for one in lists), "only the school's own lists"
    left = source.differences()
    assert f"users {source.id(elsewhere)}: given_name" in left and not [one for one in left if source.id(with_the_school) in one]

    report = source.one(alone)
    assert (report.state, report.doubts, report.counts["users"].created) == ("applied", [], 2), "the student and the guardian"
    assert source.differences() == [f"users {source.id(elsewhere)}: given_name"], "all of both, and nothing else"
    assert len(source.asked()) < 12

    assert changed(source.one(source.here)) == changed(source.one(alone)) == NOTHING, "the same again changes nothing"
    assert kept_cursor(source) == cursor
    assert changed(source.sync()) == (0, 1, 0, 0)
    assert source.differences() == []


@pytest.mark.parametrize(("dialect", "tombstones"), [(CLEVER, False), (TWO, False), (TWO, True)])
def test_a_student_who_left_by_the_sources_word_goes(dialect: str, tombstones: bool, make: Any) -> None:
    source = make(dialect)
    source.sandbox.habits(tombstones=tombstones)
    first, second, *_ = source.students(source.here)
    for student in (first, second):
        source.sandbox.delete("users", student.id)
    by_school = source.one(source.here, limits=FREE)
    assert (by_school.state, by_school.counts["users"].deactivated) == ("applied", 2)
    assert not source.active(first) and not source.enrolled(first, source.here)
    assert source.differences() == []
    source.sandbox.put("users", id=second.id)
    assert source.one(second).counts["users"].reactivated == 1
    source.sandbox.delete("users", second.id)
    by_user = source.one(second)
    assert (by_user.counts["users"].deactivated, by_user.counts["users"].confirmed) == (1, 0)
    assert changed(source.one(second)) == NOTHING
    assert source.differences() == []
    assert changed(source.sync()) == NOTHING


@pytest.mark.parametrize("dialect", BOTH)
def test_who_is_not_in_the_schools_list_is_asked_for_and_stays_when_there(dialect: str, make: Any) -> None:
    source = make(dialect)
    source.sandbox.habits(total_count=False)
    source.sandbox.fault("lose", pattern=r"/schools/[^/]+/(users|students|sections|classes|enrollments)\?", records=3)
    report = source.one(source.here)
    assert (report.state, changed(report)) == ("applied", NOTHING)
    assert (report.counts["users"].confirmed, report.counts["sections"].confirmed) == (3, 3)
    source.sandbox.fault("status", pattern=ONE, status=403)
    report = source.one(source.here)
    assert changed(report) == NOTHING and "of the missing users, 3 could not be asked for" in report.doubts


@pytest.mark.parametrize("dialect", BOTH)
def test_a_source_that_fails_on_the_way_takes_nobody_away(dialect: str, make: Any) -> None:
    source = make(dialect)
    source.sandbox.habits(tombstones=False)
    before = source.everything()
    for student in source.students(source.here)[:2]:
        source.sandbox.delete("users", student.id)
    for fault in (
        {"effect": "status", "pattern": r"/(users|students)\?", "status": 503},
        {"effect": "status", "pattern": r"/users/[^/?]+$", "status": 503},
        {"effect": "cut", "pattern": r"/(users|students)\?", "bytes": 200, "ending": "length"},
        {"effect": "shape", "pattern": r"/(users|students)\?"},
    ):
        source.sandbox.fault(**fault)
        assert source.one(source.here, limits=FREE).state == "failed", fault
        assert source.everything() == before
        source.sandbox.clear_faults()


def test_a_list_of_a_school_that_does_not_add_up_takes_nobody_away(make: Any) -> None:
    source = make(TWO)
    source.sandbox.habits(tombstones=False)
    leaver = source.students(source.here)[0]
    source.sandbox.delete("users", leaver.id)
    source.sandbox.fault("headers", pattern=r"/(students|enrollments)\?", headers={"X-Total-Count": "999"})
    report = source.one(source.here)
    assert (report.state, changed(report)) == ("applied", NOTHING)
    assert len(report.doubts) == 2 and all("of 999 records" in doubt for doubt in report.doubts)
    assert source.active(leaver)


@pytest.mark.parametrize("dialect", BOTH)
def test_a_student_who_moved_to_another_school_is_updated_and_not_deactivated(dialect: str, make: Any) -> None:
    source = make(dialect)
    source.sandbox.habits(tombstones=False)
    student = source.students(source.here)[0]
    for enrollment in [one for one in source.sandbox.district.of_user[student.id] if not one.gone]:
        source.sandbox.delete("enrollments", enrollment.id)
    there = source.there.id
    source.sandbox.put("users", id=student.id, roles=[{"role": "student", "org": there}], primary_org=there)
    section = next(one for one in source.sandbox.district.sections.values() if one.school == there and not one.gone)
    source.sandbox.put("enrollments", section=section.id, user=student.id, role="student")
    report = source.one(source.here)
    assert (report.state, report.counts["users"].updated, report.counts["users"].deactivated) == ("applied", 1, 0)
    (record,) = roster.record(source.store, "user", source.id(student))
    assert (record["status"], {role["org_id"] for role in record["roles"]}) == ("active", {source.id(source.there)})
    assert not source.enrolled(student, source.here), "the school's own sections tell that"
    source.one(source.there)
    assert source.enrolled(student, source.there) == 1 and source.differences() == []


@pytest.mark.parametrize("dialect", BOTH)
def test_who_is_at_two_schools_keeps_what_is_at_the_other(dialect: str, make: Any) -> None:
    source = make(dialect)
    student = source.students(source.there)[0]
    both = [{"role": "student", "org": org.id, "type": kind} for org, kind in ((source.there, "primary"), (source.here, "secondary"))]
    source.sandbox.put("users", id=student.id, roles=both, primary_org=source.there.id)
    section = next(one for one in source.sandbox.district.sections.values() if one.school == source.here.id and not one.gone)
    enrollment = source.sandbox.put("enrollments", section=section.id, user=student.id, role="student")
    elsewhere = source.enrolled(student, source.there)
    source.one(source.here)
    assert (source.enrolled(student, source.here), source.enrolled(student, source.there)) == (1, elsewhere) and elsewhere
    source.sandbox.delete("enrollments", enrollment.id)
    source.sandbox.put("users", id=student.id, roles=both[:1])
    source.one(source.here)
    assert (source.enrolled(student, source.here), source.enrolled(student, source.there)) == (0, elsewhere)
    assert source.active(student) and source.differences() == []


@pytest.mark.parametrize("dialect", BOTH)
def test_a_school_of_which_nothing_is_there_any_more_waits_for_a_person(dialect: str, make: Any) -> None:
    source = make(dialect)
    before = roster.active_counts(source.store, "springfield")
    lists = r"/schools/[^/]+/(users|students|teachers|sections|classes|enrollments)\?"
    source.sandbox.fault("shape", pattern=lists, body={name: [] for name in ("data", "users", "classes", "enrollments")})
    source.sandbox.fault(
        "status", pattern=f"/(users|sections|classes|enrollments)/({'|'.join(source.belongings(source.here))})$", status=404
    )
    report = source.one(source.here)
    assert report.state == "held" and changed(report) == NOTHING
    assert {"users", "sections", "enrollments"} <= {held.kind for held in report.held}
    # And where more are missing than may be asked for, what is said of some does not count for the others.
    few = GuardSettings(confirm=2, max_deactivations="100%", max_deactivations_per_school="100%", floor=1000)
    report = source.one(source.here, limits=few)
    assert "unconfirmed" in {held.rule for held in report.held} and changed(report) == NOTHING
    source.sandbox.clear_faults()
    source.sandbox.fault("status", pattern=rf"/(schools|orgs)/{source.id(source.here)}", status=404)
    report = source.one(source.here)
    assert [(held.kind, held.rule) for held in report.held] == [("orgs", "school-gone")]
    assert roster.active_counts(source.store, "springfield") == before


@pytest.mark.parametrize("dialect", BOTH)
def test_a_source_that_knows_nobody_by_id_is_not_believed(dialect: str, make: Any) -> None:
    """Some have no such addresses, and one that shares nothing any more says the same of everybody."""
    source = make(dialect)
    source.sandbox.habits(total_count=False)
    source.sandbox.fault("lose", pattern=r"/schools/[^/]+/(users|students|sections|classes|enrollments)\?", records=3)
    source.sandbox.fault("status", pattern=ONE, status=404)
    report = source.one(source.here)
    assert (report.state, changed(report)) == ("applied", NOTHING)
    assert "of the missing users, 3 could not be asked for" in report.doubts
    report = source.one(source.students(source.here)[0])
    assert report.state == "failed" and "it knows none of them either" in (report.error or "")
    assert source.active(source.students(source.here)[0])


def test_many_small_syncs_do_not_walk_around_a_limit(make: Any) -> None:
    source = make(CLEVER)
    limits = GuardSettings(max_deactivations=2, max_deactivations_per_school="100%", enrollments={"max_deactivations": "100%"})
    states = []
    for student in source.students(source.here)[:3]:
        source.sandbox.delete("users", student.id)
        states.append(source.one(student, limits=limits).state)
    assert states == ["applied", "applied", "held"]


def test_what_a_sync_of_one_school_took_away_is_read_again_when_it_comes_just_as_before(make: Any) -> None:
    """The last full pull knows such documents by their fingerprints; they say nothing of what the roster holds any more."""
    source = make(TWO)
    student = source.students(source.here)[0]
    source.sandbox.habits(total_count=False)
    source.sandbox.fault("lose", pattern=r"/schools/[^/]+/(users|students)\?")
    source.sandbox.fault("status", pattern=f"/users/{source.id(student)}", status=404)
    assert source.one(source.here).counts["users"].deactivated == 1
    source.sandbox.clear_faults()
    assert source.sync().counts["users"].reactivated == 1
    assert source.differences() == []


def test_a_sync_of_one_school_or_user_is_no_sync_of_the_source(make: Any) -> None:
    source = make(TWO)
    whole = runs.last_whole(source.store, "springfield")
    good, pulls = runs.last_good(source.store, "springfield"), runs.latest_pulls(source.store, "springfield")
    source.one(source.here)
    unknown, district = source.sync(scope=Scope("user", "nobody")), source.one(source.sandbox.district.district())
    assert unknown.state == "failed" and "there is no user nobody" in (unknown.error or "")
    assert district.state == "failed" and "is a district and no school" in (district.error or "")
    leaver = source.students(source.here)[0]
    source.sandbox.delete("users", leaver.id)
    held = source.one(leaver, limits=GuardSettings(max_deactivations=0, floor=0))
    approved = source.approve(held.run)
    assert (held.state, approved.state, approved.scope) == ("held", "applied", Scope("user", source.id(leaver)))
    assert runs.last_whole(source.store, "springfield") == whole and runs.last_good(source.store, "springfield") == good
    assert runs.latest_pulls(source.store, "springfield") == pulls, "neither what it came to nor how long it took counts"
