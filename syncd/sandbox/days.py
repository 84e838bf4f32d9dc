"""What happens on a school day: newcomers, moves, leavers, returners, new names, a new teacher for a section.

About one student in two hundred sees a change each day, and at least one of each sort, so that small
districts live too. The same seed and day on the same district give the same day.
"""

import random

from syncd.sandbox import names
from syncd.sandbox.changes import Change, come_back, end, enroll, give_guardians, leave
from syncd.sandbox.district import District, Enrollment, Section, User
from syncd.sandbox.generate import GRADES, link_to, new_adult, new_guardian, new_student

DAILY = 0.005
SHARES = {"join": 0.2, "move": 0.35, "leave": 0.15, "return": 0.1, "rename": 0.15, "takeover": 0.05}

Sections = dict[str, list[Section]]  # by school


def live(district: District, days: int) -> dict[str, int]:
    """Let school days pass; the answer counts what happened. Raises ValueError for a negative number."""
    if days < 0:
        raise ValueError(f"days go forward: {days}")
    happened = dict.fromkeys(SHARES, 0)
    for _ in range(days):
        with district.lock:
            district.next_day()
            for kind, count in _day(district).items():
                happened[kind] += count
    return happened


def _day(district: District) -> dict[str, int]:
    chance = random.Random(f"{district.seed}:{district.day}")  # nosec B311  # a district, not a secret
    students = _students(district)
    left = [user for user in _all(district) if user.gone and user.left_on and _is_student(user)]
    count = {kind: max(1, round(len(students) * DAILY * share)) for kind, share in SHARES.items()}
    chosen = chance.sample(students, min(len(students), count["move"] + count["leave"] + count["rename"]))
    movers = chosen[: count["move"]]
    leavers = chosen[count["move"] : count["move"] + count["leave"]]
    renamed = chosen[count["move"] + count["leave"] :]
    returners = chance.sample(left, min(len(left), count["return"]))
    happened = dict.fromkeys(SHARES, 0)
    sections = _sections(district)
    for student in renamed:
        happened["rename"] += _rename(district, chance, student)
    for student in movers:
        happened["move"] += _move(district, chance, sections, student)
    # The last student stays: a district without any would be another story.
    for student in leavers[: max(0, len(students) - 1)]:
        with Change(district) as change:
            leave(change, student)
        happened["leave"] += 1
    for student in returners:
        with Change(district) as change:
            come_back(change, student)
            _give_sections(change, chance, sections, student)
        happened["return"] += 1
    for _ in range(count["join"]):
        happened["join"] += _join(district, chance, sections, chance.choice(students))
    for _ in range(count["takeover"]):
        happened["takeover"] += _takeover(district, chance, sections)
    return happened


def _all(district: District) -> list[User]:
    return [district.users[name] for name in district.ids("users")]


def _is_student(user: User) -> bool:
    return any(role.role == "student" for role in user.roles)


def _students(district: District) -> list[User]:
    return [user for user in _all(district) if not user.gone and _is_student(user)]


def _active(district: District, user: User) -> list[Enrollment]:
    return [found for found in district.of_user.get(user.id, ()) if not found.gone]


def _rename(district: District, chance: random.Random, student: User) -> int:
    with Change(district) as change:
        change.touch("users", student)
        old = student.family_name
        while student.family_name == old:
            student.family_name = chance.choice(names.FAMILY)
        if chance.random() < 0.5 and student.email:
            student.email = f"{names.login(student.family_name or '')}{student.number or ''}@students.example.org"
    return 1


def _sections(district: District) -> Sections:
    found: Sections = {}
    for name in district.ids("sections"):
        section = district.sections[name]
        if not section.gone and section.school:
            found.setdefault(section.school, []).append(section)
    return found


def _move(district: District, chance: random.Random, sections: Sections, student: User) -> int:
    """From one section to another of the same course, else of the same grade, else of the same school."""
    mine = [found for found in _active(district, student) if found.role == "student"]
    if not mine:
        return 0
    old = chance.choice(sorted(mine, key=lambda found: found.id))
    section = district.sections[old.section]
    taken = {found.section for found in mine}
    free = [other for other in sections.get(section.school or "", ()) if other.id not in taken and other.type == section.type]
    choice = (
        [other for other in free if other.course and other.course == section.course]
        or [other for other in free if other.grades == section.grades]
        or free
    )
    if not choice:
        return 0
    new = chance.choice(choice)
    with Change(district) as change:
        end(change, old)
        enroll(change, new, student, "student")
    return 1


def _give_sections(change: Change, chance: random.Random, sections: Sections, student: User) -> None:
    """Put a student into a homeroom and into one section of each course of the grade."""
    school = next((role.org for role in student.roles if role.role == "student" and role.org), "")
    choice: dict[str, list[Section]] = {}
    for section in sections.get(school or "", ()):
        if section.grades == student.grades:
            choice.setdefault(section.course or section.type, []).append(section)
    for found in list(choice.values())[:7]:
        enroll(change, chance.choice(found), student, "student")


def _join(district: District, chance: random.Random, sections: Sections, classmate: User) -> int:
    """A new student at the school and in the grade of another one."""
    school = next((role.org for role in classmate.roles if role.role == "student" and role.org), None)
    if school is None or not classmate.grades or classmate.grades[0] not in GRADES:
        return 0
    with Change(district) as change:
        serial = len(district.users)
        student = new_student(district, chance, school, classmate.grades[0], serial, district.first_day.year)
        change.note_new("users", student)
        links = []
        for number in range(chance.choices([0, 1, 2], [1, 5, 4])[0]):
            guardian = new_guardian(district, chance, student.family_name or "", 500000 + serial + number)
            change.note_new("users", guardian)
            links.append(link_to(chance, guardian))
        give_guardians(change, student, links)
        _give_sections(change, chance, sections, student)
    return 1


def _takeover(district: District, chance: random.Random, sections: Sections) -> int:
    """A new teacher takes a section over; the one before leaves it."""
    choice = [section for school in sorted(sections) for section in sections[school]]
    if not choice:
        return 0
    section = chance.choice(choice)
    assert section.school is not None
    with Change(district) as change:
        teacher = new_adult(district, chance, "teacher", section.school, len(district.users))
        change.note_new("users", teacher)
        for enrollment in district.in_section.get(section.id, ()):
            if not enrollment.gone and enrollment.role == "teacher" and enrollment.primary:
                end(change, enrollment)
        enroll(change, section, teacher, "teacher", primary=True)
    return 1
