"""Makes up a believable district: schools, a school year, schedules, families. Seeded, so it can be made
again.

It builds records straight into a new `District` (nothing is a change yet, so there are no events). What it
leaves out here and there (an email, a course, a guardian's first name) it leaves out on purpose: real rosters
do.
"""

import random
from dataclasses import dataclass, field
from datetime import date, timedelta
from math import ceil

from syncd.sandbox import names
from syncd.sandbox.changes import Change, leave
from syncd.sandbox.district import (
    Course,
    District,
    Enrollment,
    Guardian,
    Org,
    Role,
    Section,
    Term,
    User,
)

GRADES = ["KG", *(f"{number:02d}" for number in range(1, 13))]
DOMAIN = "example.org"
STUDENTS_PER_SCHOOL = 600
STUDENTS_PER_SECTION = 25
SECTIONS_PER_TEACHER = 6


@dataclass(slots=True)
class _School:
    org: Org
    grades: list[str]
    pupils: dict[str, list[User]] = field(default_factory=dict)
    teachers: list[User] = field(default_factory=list)


def generate(*, students: int, seed: int, year: int, school_count: int | None = None) -> District:
    """A district of `students` students, and of so many schools as they need unless it is told. Raises ValueError for fewer than one."""
    if students < 1:
        raise ValueError(f"a district needs at least 1 student, not {students}")
    chance = random.Random(f"{seed}:{students}:{year}")  # nosec B311  # a district, not a secret
    district = District(seed=seed, first_day=_monday(date(year, 8, 15)))
    top, schools = _orgs(district, chance, school_count or max(1, round(students / STUDENTS_PER_SCHOOL)))
    semesters = _terms(district, year)
    leavers = students // 500 + 1 if students >= 20 else 0
    for number in range(students + leavers):
        grade = GRADES[number % len(GRADES)]
        choice = [school for school in schools if grade in school.grades]
        school = choice[number // len(GRADES) % len(choice)]
        school.pupils.setdefault(grade, []).append(new_student(district, chance, school.org.id, grade, number, year))
    courses = _courses(district, top, schools)
    for school in schools:
        _schedule(district, chance, school, semesters, courses)
    _staff(district, chance, top, schools, students)
    _families(
        district,
        chance,
        [pupil for school in schools for grade in school.grades for pupil in school.pupils.get(grade, ())],
        schools,
    )
    # A few left before anybody asked: a source shows them as removed, and nobody ever knew them.
    pupils = [name for name in district.ids("users") if district.users[name].roles[0].role == "student"]
    for name in chance.sample(pupils, leavers):
        with Change(district) as change:
            leave(change, district.users[name])
    district.events.clear()
    district.changed()
    return district


# -- people; `days.py` makes newcomers with the same words ---------------------------------------------------


def person(district: District, chance: random.Random, serial: str, *, family: str | None = None, domain: str = DOMAIN) -> User:
    """Somebody with a name, a login and (mostly) an email; not yet in the district and without roles."""
    given = chance.choice(names.GIVEN)
    family = family or chance.choice(names.FAMILY)
    username = f"{names.login(given)[:1]}{names.login(family)}{serial}"
    email: str | None = f"{username}@{domain}"
    if chance.random() < 0.03:
        email = None
    elif chance.random() < 0.03:
        email = f"{given.split()[0]}.{family.split()[-1]}{serial}@{domain.upper()}"
    return User(
        id="",
        given_name=given,
        family_name=family,
        username=username,
        email=email,
        middle_name=chance.choice(names.GIVEN) if chance.random() < 0.35 else None,
        enabled=chance.random() > 0.02,
    )


def new_student(
    district: District,
    chance: random.Random,
    school: str,
    grade: str,
    number: int,
    year: int,
    *,
    family: str | None = None,
) -> User:
    """A student of a school, in the district from now. number: how many students there were before."""
    student = person(district, chance, str(100 + number), family=family, domain=f"students.{DOMAIN}")
    student.roles = [Role(role="student", org=school)]
    student.primary_org = school if chance.random() < 0.9 else None
    student.grades = [grade]
    student.number = str(200001 + number)
    student.sis_id = f"S{10001 + number}"
    student.user_ids = [("sisId", student.sis_id)]
    if chance.random() < 0.9:
        student.state_id = f"{4000000001 + number}"
        student.user_ids.append(("stateStudentId", student.state_id))
    age = 5 + GRADES.index(grade)
    student.birth_date = str(date(year - age, 9, 1) - timedelta(days=chance.randrange(365)))
    student.gender = chance.choices(["M", "F", "X"], [49, 49, 2])[0]
    student.race = chance.choice(names.RACES) if chance.random() < 0.9 else None
    student.hispanic = chance.random() < 0.25 if chance.random() < 0.9 else None
    if chance.random() < 0.05:
        student.preferred_given_name = chance.choice(names.GIVEN)
    if chance.random() < 0.01:
        student.preferred_family_name = chance.choice(names.FAMILY)
    district.put("users", student)
    return student


def new_adult(
    district: District,
    chance: random.Random,
    role: str,
    org: str,
    serial: int,
    *,
    word: str | None = None,
    title: str | None = None,
) -> User:
    """Somebody who works in a school or for the district, in the district from now."""
    adult = person(district, chance, str(serial), domain=f"staff.{DOMAIN}")
    adult.roles = [Role(role=role, org=org, word=word)]
    adult.primary_org = org
    adult.title = title
    adult.number = f"T{1000 + serial}"
    adult.sis_id = f"E{5000 + serial}"
    adult.user_ids = [("employeeId", adult.sis_id)]
    if role == "teacher" and chance.random() < 0.6:
        adult.state_id = f"L{70000 + serial}"
        adult.user_ids.append(("State License", adult.state_id))
    if chance.random() < 0.3:
        adult.master_id = f"urn:example:person:{serial}"
    if chance.random() < 0.03:
        adult.preferred_given_name = chance.choice(names.GIVEN)
    district.put("users", adult)
    return adult


def new_guardian(district: District, chance: random.Random, family: str, serial: int) -> User:
    """A guardian, in the district from now. Some schools type the whole name into one field."""
    adult = person(district, chance, str(serial), family=family, domain="families.example.net")
    word = chance.choices(["guardian", "parent", "relative"], [6, 3, 1])[0]
    adult.roles = [Role(role="guardian", word=word)]
    adult.middle_name = None
    if chance.random() < 0.06:
        adult.family_name, adult.given_name = f"{adult.given_name} {adult.family_name}", None
    if chance.random() < 0.2:
        adult.email = None
    if chance.random() < 0.8:
        adult.phone = f"555-01{chance.randrange(100):02d}"
    elif chance.random() < 0.5:
        adult.sms = f"555-01{chance.randrange(100):02d}"
    adult.enabled = chance.random() < 0.7
    adult.sis_id = f"G{serial}" if chance.random() < 0.8 else None
    district.put("users", adult)
    return adult


def link_to(chance: random.Random, guardian: User) -> Guardian:
    """How a guardian is related. A relative names the student, but no student names a relative."""
    if guardian.roles and guardian.roles[-1].word == "relative":
        return Guardian(
            id=guardian.id,
            relationship=chance.choice(["Grandparent", "Aunt/Uncle"]),
            type="Family",
            mutual=False,
        )
    return Guardian(id=guardian.id, relationship="Parent", type="Parent/Guardian")


# -- orgs, terms, courses ------------------------------------------------------------------------------------


def _monday(day: date) -> date:
    return day + timedelta(days=-day.weekday() % 7)


def _orgs(district: District, chance: random.Random, school_count: int) -> tuple[Org, list[_School]]:
    top = Org(
        id="",
        name=f"{chance.choice(names.DISTRICTS)} Unified School District",
        type="district",
        nces_id=f"99{chance.randrange(10**5):05d}",
        number="D-1",
        city="Fernhollow",
    )
    district.put("orgs", top)
    schools: list[_School] = []
    taken: set[str] = set()
    for number, (level, grades) in enumerate(_levels(school_count)):
        name = f"{chance.choice(names.PLACES)} {chance.choice(names.ENDINGS)}"
        while name in taken:
            name = f"{chance.choice(names.PLACES)} {chance.choice(names.PLACES)} {chance.choice(names.ENDINGS)}"
        taken.add(name)
        org = Org(
            id="",
            name=f"{name} {level}",
            type="school",
            parent=top.id,
            sis_id=f"SCH{number + 1:03d}",
            number=f"{101 + number}" if number % 7 != 6 else None,
            nces_id=f"{top.nces_id}{number:05d}" if chance.random() < 0.7 else None,
            low_grade=grades[0],
            high_grade=grades[-1],
            phone=f"555-02{number % 100:02d}",
            street=f"{chance.randrange(1, 900)} {chance.choice(names.PLACES)} {chance.choice(names.STREETS)}",
            city="Fernhollow",
            zip="00000",
            principal=f"{chance.choice(names.GIVEN)} {chance.choice(names.FAMILY)}",
        )
        district.put("orgs", org)
        schools.append(_School(org, grades))
    return top, schools


def _levels(count: int) -> list[tuple[str, list[str]]]:
    if count == 1:
        return [("School", GRADES)]
    if count == 2:
        return [("Elementary School", GRADES[:7]), ("High School", GRADES[7:])]
    elementary = max(1, round(count * 0.46))
    middle = max(1, round(count * 0.23))
    return (
        [("Elementary School", GRADES[:6])] * elementary
        + [("Middle School", GRADES[6:9])] * middle
        + [("High School", GRADES[9:])] * (count - elementary - middle)
    )


def _terms(district: District, year: int) -> list[Term]:
    first, last = district.first_day, date(year + 1, 6, 11)
    turn = date(year + 1, 1, 15)
    ends = str(year + 1)

    def term(name: str, kind: str, start: date, stop: date, parent: str | None) -> Term:
        made = Term(
            id="",
            name=name,
            type=kind,
            first_day=str(start),
            last_day=str(stop),
            parent=parent,
            school_year=ends,
        )
        district.put("terms", made)
        return made

    whole = term(f"{year}-{year + 1}", "schoolYear", first, last, None)
    halves = [
        term("Semester 1", "semester", first, turn, whole.id),
        term("Semester 2", "semester", turn + timedelta(days=1), last, whole.id),
    ]
    for number, half in enumerate(halves):
        start, stop = date.fromisoformat(half.first_day), date.fromisoformat(half.last_day)
        middle = start + (stop - start) / 2
        term(f"Quarter {2 * number + 1}", "gradingPeriod", start, middle, half.id)
        term(f"Quarter {2 * number + 2}", "gradingPeriod", middle + timedelta(days=1), stop, half.id)
    return halves


def _courses(district: District, top: Org, schools: list[_School]) -> dict[tuple[str, int], Course]:
    year = next(term.id for term in district.terms.values() if term.type == "schoolYear")
    found: dict[tuple[str, int], Course] = {}
    for grade in sorted({grade for school in schools for grade in school.grades}, key=GRADES.index):
        plan = names.ELEMENTARY if GRADES.index(grade) < 6 else names.SECONDARY
        for slot, (title, code, subject) in enumerate(plan):
            course = Course(
                id="",
                name=f"{title} {grade.lstrip('0')}",
                number=f"{code}-{grade}",
                org=top.id,
                school_year=year if slot % 2 else None,
                grades=[grade],
                subjects=[subject],
            )
            district.put("courses", course)
            found[grade, slot] = course
    return found


# -- sections, schedules, families ---------------------------------------------------------------------------


def _schedule(
    district: District,
    chance: random.Random,
    school: _School,
    semesters: list[Term],
    courses: dict[tuple[str, int], Course],
) -> None:
    """Put every student into a homeroom and into one section of each of the grade's courses."""
    sections: list[tuple[Section, list[User]]] = []
    for grade in school.grades:
        pupils = list(school.pupils.get(grade, ()))
        if not pupils:
            continue
        groups = ceil(len(pupils) / STUDENTS_PER_SECTION)
        slots = [slot for found, slot in courses if found == grade]
        rooms: list[list[tuple[Section, list[User]]]] = [[] for _ in range(groups)]
        for slot in [-1, *slots]:
            if slot > 0 and GRADES.index(grade) >= 6:
                chance.shuffle(pupils)
            for group in range(groups):
                rooms[group].append(
                    (
                        _section(
                            district,
                            chance,
                            school.org,
                            grade,
                            slot,
                            group,
                            semesters,
                            courses.get((grade, slot)),
                        ),
                        pupils[group::groups],
                    )
                )
        sections += [pair for room in rooms for pair in room]
    for number, (section, members) in enumerate(sections):
        if number % SECTIONS_PER_TEACHER == 0:
            school.teachers.append(new_adult(district, chance, "teacher", school.org.id, district_size(district)))
        start = district.terms[section.terms[0]].first_day
        _place(district, section, school.teachers[-1], "teacher", start, primary=True)
        if len(school.teachers) > 1 and chance.random() < 0.08:
            _place(district, section, school.teachers[-2], "teacher", start)
        last = district.terms[section.terms[-1]].last_day if number % 2 else None
        for member in members:
            _place(district, section, member, "student", start, last=last)


def district_size(district: District) -> int:
    """How many people there are, as the next number for a login."""
    return len(district.users)


def _section(
    district: District,
    chance: random.Random,
    school: Org,
    grade: str,
    slot: int,
    group: int,
    semesters: list[Term],
    course: Course | None,
) -> Section:
    short = grade.lstrip("0")
    if slot < 0:
        made = Section(
            id="",
            name=f"Homeroom {short}{chr(65 + group % 26)}",
            school=school.id,
            type="homeroom",
            number=f"HR-{short}-{group + 1}",
            terms=[term.id for term in semesters],
            grades=[grade],
            periods=["HR"],
            location=f"Room {100 + group}",
        )
    else:
        assert course is not None
        half = semesters[0 if slot < 3 else 1]
        made = Section(
            id="",
            name=f"{course.name} - {group + 1}",
            school=school.id,
            number=f"{course.number}-{group + 1}",
            terms=[half.id],
            grades=[grade],
            course=course.id if chance.random() > 0.02 else None,
            subjects=list(course.subjects),
            periods=[str(slot % 3 + 1)] if chance.random() > 0.05 else [],
            location=f"Room {chance.randrange(100, 400)}" if chance.random() > 0.1 else None,
        )
    district.put("sections", made)
    return made


def _place(
    district: District,
    section: Section,
    user: User,
    role: str,
    start: str,
    *,
    primary: bool = False,
    last: str | None = None,
) -> None:
    district.put(
        "enrollments",
        Enrollment(
            id="",
            section=section.id,
            user=user.id,
            role=role,
            primary=primary,
            first_day=start,
            last_day=last,
        ),
    )


def _staff(district: District, chance: random.Random, top: Org, schools: list[_School], students: int) -> None:
    for number, school in enumerate(schools):
        posts = [
            ("principal", "Principal"),
            ("counselor", "Counselor"),
            ("siteAdministrator", "Office Manager"),
            ("aide", "Aide"),
        ][: max(1, min(4, students // 50))]
        for word, title in posts:
            new_adult(district, chance, "staff", school.org.id, district_size(district), word=word, title=title)
        for index, teacher in enumerate(school.teachers):
            if index % 12 == 3 or (number == 0 and index == 0):
                teacher.roles = [
                    *teacher.roles,
                    Role(role="staff", org=school.org.id, type="secondary", word="counselor"),
                ]
            elif index % 15 == 5 and len(schools) > 1:
                other = schools[(number + 1) % len(schools)].org.id
                teacher.roles = [*teacher.roles, Role(role="teacher", org=other)]
                teacher.primary_org = school.org.id if index % 2 else None
    for number in range(2 + students // 5000):
        chief = new_adult(
            district,
            chance,
            "district_admin",
            top.id,
            district_size(district),
            title="Superintendent" if number == 0 else "IT Coordinator",
        )
        if number == 1:
            chief.roles = [*chief.roles, Role(role="staff", org=schools[0].org.id, word="siteAdministrator")]
    for user in district.users.values():
        district.number(user)


def _families(district: District, chance: random.Random, students: list[User], schools: list[_School]) -> None:
    """Give students guardians: none, one or two; every fourth one shares them with a brother or sister."""
    homes: list[tuple[str, list[Guardian]]] = []
    teachers = [teacher for school in schools for teacher in school.teachers]
    for number, student in enumerate(students):
        if homes and chance.random() < 0.25:
            # A home is used up by its second or third child here: nobody has ten brothers and sisters.
            place = chance.randrange(max(0, len(homes) - 500), len(homes))
            family, links = homes[place] if chance.random() < 0.3 else homes.pop(place)
            if chance.random() < 0.9:
                student.family_name = family
        else:
            links = [
                link_to(chance, new_guardian(district, chance, student.family_name or "", 30000 + number))
                for _ in range(chance.choices([0, 1, 2], [12, 48, 40])[0])
            ]
            # Some teachers have their own children in the district: one person, and two users in Clever.
            if number % 400 == 7 and teachers:
                links = [Guardian(id=teachers[number // 400 * 7 % len(teachers)].id)]
            homes.append((student.family_name or "", links))
        district.relate(student, links)
    for name in list(district.children):
        guardian = district.users[name]
        word = guardian.roles[-1].word if guardian.roles[-1].role == "guardian" else "parent"
        others = [role for role in guardian.roles if role.role != "guardian"]
        orgs = dict.fromkeys(role.org for child in district.active_children(guardian) for role in child.roles)
        guardian.roles = others + [
            Role(
                role="guardian",
                org=org,
                word=word,
                type="secondary" if any(role.org == org for role in others) else "primary",
            )
            for org in orgs
        ]
        district.number(guardian)
