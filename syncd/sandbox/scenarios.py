"""What goes wrong, or only looks so, in the life of a district: each guard's case, to rehearse.

A scenario happens at once and stays. Those that are the provider's doing (an empty roster, lost rights) are
faults, and `calm` ends them; the others are changes of the district like any other.
"""

from collections import Counter
from collections.abc import Callable
from datetime import date

import msgspec

from syncd.sandbox.changes import Change, end, enroll, give_guardians, leave, remove
from syncd.sandbox.district import District, Enrollment, Org, Section, Term, User
from syncd.sandbox.faults import Faults, fault

LISTS = r"/(users|students|teachers|sections|classes|enrollments)(\?|$)"


def mass_removal(district: District, _faults: Faults) -> None:
    """Two of every five students of the largest school disappear."""
    _, pupils = max(_pupils(district), key=lambda found: len(found[1]))
    with Change(district) as change:
        for student in pupils[: len(pupils) * 2 // 5]:
            leave(change, student)


def empty_roster(_district: District, faults: Faults) -> None:
    """The provider answers, and its lists of people, sections and enrollments are empty."""
    faults.arm(fault({"effect": "lose", "pattern": LISTS}))


def vanished_school(district: District, _faults: Faults) -> None:
    """The smallest school is shared no more: the school, its people and its sections are gone."""
    school, _pupils_of_it = min(_pupils(district), key=lambda found: len(found[1]))
    with Change(district) as change:
        remove(change, "orgs", school)
        for user in _active(district):
            if user.roles and all(role.org == school.id for role in user.roles):
                leave(change, user)


def sis_migration(district: District, _faults: Faults) -> None:
    """A new SIS: everybody is there as before, each person and enrollment under a new id."""
    new: dict[str, User] = {}
    with Change(district) as change:
        old = _active(district)
        for user in old:
            new[user.id] = _copy(district, change, user)
        for user in old:
            links = [msgspec.structs.replace(link, id=new[link.id].id) for link in user.guardians if link.id in new]
            for found in [found for found in district.of_user.get(user.id, ()) if not found.gone]:
                end(change, found)
                same = enroll(change, district.sections[found.section], new[user.id], found.role, primary=found.primary)
                same.first_day, same.last_day = found.first_day, None
            if links:
                give_guardians(change, new[user.id], links)
        for user in old:
            leave(change, user)


def lost_rights(_district: District, faults: Faults) -> None:
    """The token may not read people any more: 403, with everything else as before."""
    faults.arm(fault({"effect": "status", "status": 403, "pattern": r"/(users|students|teachers)(\?|$)"}))


def summer_rollover(district: District, _faults: Faults) -> None:
    """The old school year is taken down: sections and enrollments end, the eldest leave."""
    eldest = max((student.grades[0] for _, pupils in _pupils(district) for student in pupils if student.grades), default="")
    with Change(district) as change:
        for section in list(district.sections.values()):
            if not section.gone:
                remove(change, "sections", section)
        for _, pupils in _pupils(district):
            for student in pupils:
                if student.grades == [eldest]:
                    leave(change, student)


def new_year(district: District, _faults: Faults) -> None:
    """After `summer-rollover`: a new year's terms, and a new section for each that the summer took down."""
    ends = max((int(term.school_year or 0) for term in district.terms.values()), default=0)
    old_terms = [term for term in district.terms.values() if term.school_year == str(ends)]
    with Change(district) as change:
        terms: dict[str, Term] = {}
        for term in old_terms:
            terms[term.id] = change.add("terms", _next_year(term, terms, ends))
        for old in [section for section in district.sections.values() if section.gone]:
            _again(district, change, old, terms)


def calm(_district: District, faults: Faults) -> None:
    """The provider's faults are over."""
    faults.clear()


SCENARIOS: dict[str, Callable[[District, Faults], None]] = {
    "mass-removal": mass_removal,
    "empty-roster": empty_roster,
    "vanished-school": vanished_school,
    "sis-migration": sis_migration,
    "lost-rights": lost_rights,
    "summer-rollover": summer_rollover,
    "new-year": new_year,
    "calm": calm,
}


def rehearse(name: str, district: District, faults: Faults) -> None:
    """Let a scenario happen. Raises ValueError for one that is not in `SCENARIOS`."""
    if name not in SCENARIOS:
        raise ValueError(f"a scenario is one of {', '.join(SCENARIOS)}, not {name}")
    with district.lock:
        SCENARIOS[name](district, faults)


def _active(district: District) -> list[User]:
    return [district.users[name] for name in list(district.ids("users")) if not district.users[name].gone]


def _pupils(district: District) -> list[tuple[Org, list[User]]]:
    """The schools that have students, with their students by id."""
    found: dict[str, list[User]] = {}
    for user in _active(district):
        for role in user.roles:
            if role.role == "student" and role.org in district.orgs and not district.orgs[role.org].gone:
                found.setdefault(role.org, []).append(user)
    if not found:
        raise ValueError("this district has no school with students")
    return [(district.orgs[name], pupils) for name, pupils in sorted(found.items())]


def _copy(district: District, change: Change, user: User) -> User:
    """The same person under new ids, with nobody's guardians and in no section yet."""
    same = msgspec.structs.replace(
        user, id="", clever_id="", clever_facet="", clever_more=None, guardians=[], created=0, modified=0, clever_modified=0
    )
    change.add("users", same)
    return same


def _next_year(term: Term, made: dict[str, Term], ends: int) -> Term:
    parent = made[term.parent].id if term.parent in made else None
    first, last = (_a_year_later(day) for day in (term.first_day, term.last_day))
    name = (term.name or "").replace(str(ends), str(ends + 1)).replace(str(ends - 1), str(ends)) or None
    return Term(id="", name=name, type=term.type, first_day=first, last_day=last, parent=parent, school_year=str(ends + 1))


def _a_year_later(day: str) -> str:
    then = date.fromisoformat(day)
    return str(then.replace(year=then.year + 1, day=min(then.day, 28)))


def _again(district: District, change: Change, old: Section, terms: dict[str, Term]) -> None:
    """The section of the new year, with those of the old one's people who were in it to the end and are still here."""
    last = max((found.last_day or "" for found in district.in_section.get(old.id, ())), default="")
    fresh = msgspec.structs.replace(old, id="", clever_id="", created=0, modified=0, clever_modified=0, gone=False)
    fresh.terms = [terms[name].id for name in old.terms if name in terms]
    change.add("sections", fresh)
    people: Counter[str] = Counter()
    for found in list[Enrollment](district.in_section.get(old.id, ())):
        user = district.users[found.user]
        if found.last_day == last and not user.gone and not people[user.id]:
            people[user.id] += 1
            enroll(change, fresh, user, found.role, primary=found.primary)
