"""Every change to the pretend district goes through here, so that no trace of it is forgotten.

A `Change` looks at each touched record before and after, in both dialects: what reads differently gets a new
modification date, and Clever an event. So a date moves if and only if the record does. The verbs below it
(enroll, leave, come back …) keep the district whole: who leaves, leaves their sections too.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from syncd.sandbox import clever_records, oneroster_records
from syncd.sandbox.district import (
    KINDS,
    District,
    Enrollment,
    Event,
    Guardian,
    Role,
    Section,
    User,
)

Documents = dict[str, dict[str, Any]]
BOOKKEEPING = ("created", "last_modified")


class Change:
    """A change of the district in progress: `with Change(district) as change: …`. Holds its lock."""

    def __init__(self, district: District) -> None:
        self.district = district
        self._before: dict[tuple[str, str], tuple[Any, Documents, list[Any]]] = {}

    def __enter__(self) -> Change:
        self.district.lock.acquire()
        self.at = self.district.tick()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self._record()
        finally:
            self.district.changed()
            self.district.lock.release()

    @property
    def today(self) -> str:
        """The pretend date, as text."""
        return self.district.date.isoformat()

    def touch(self, kind: str, record: Any) -> None:
        """Look at a record before it changes. An enrollment's section changes with it, in Clever."""
        if (kind, record.id) in self._before:
            return
        clever, oneroster = self._read(kind, record)
        self._before[kind, record.id] = (record, clever, oneroster)
        if isinstance(record, Enrollment):
            self.touch("sections", self.district.sections[record.section])

    def add(self, kind: str, record: Any) -> Any:
        """Take in a new record; its id is given if it is empty."""
        if isinstance(record, Enrollment):
            self.touch("sections", self.district.sections[record.section])
        self.district.put(kind, record)
        self.note_new(kind, record)
        return record

    def note_new(self, kind: str, record: Any) -> None:
        """Know a record that was put into the district within this change as new."""
        self._before[kind, record.id] = (record, {}, [])

    def _read(self, kind: str, record: Any) -> tuple[Documents, list[Any]]:
        clever = {} if kind == "enrollments" else clever_records.documents(self.district, kind, record)
        oneroster = [oneroster_records.document(self.district, kind, record, version) for version in ("1.1", "1.2")]
        if isinstance(record, User):
            oneroster.append(oneroster_records.demographics(record, "1.2"))
        return clever, oneroster

    def _record(self) -> None:
        events: list[tuple[int, str, str, str, Any, dict[str, Any] | None]] = []
        for (kind, _), (record, clever_before, oneroster_before) in self._before.items():
            if isinstance(record, User):
                self.district.number(record)
            clever, oneroster = self._read(kind, record)
            if oneroster != oneroster_before:
                record.modified = self.at
            for name in {**clever_before, **clever}:
                before, after = clever_before.get(name), clever.get(name)
                verb = "created" if before is None else "deleted" if after is None else "updated"
                old = (
                    {}
                    if before is None or after is None
                    else {
                        key: before.get(key) for key in {**before, **after} if before.get(key) != after.get(key) and key not in BOOKKEEPING
                    }
                )
                if verb != "updated" or old:
                    events.append((KINDS.index(kind), verb, kind, name, record, before if after is None else old))
        # A section is created after the people in it, and deleted before them.
        events.sort(
            key=lambda event: (
                event[1] == "deleted",
                -event[0] if event[1] == "deleted" else {"users": 2.5}.get(event[2], event[0]),
            )
        )
        for _, verb, kind, name, record, seen in events:
            self._tell(verb, kind, name, record, seen or {})

    def _tell(self, verb: str, kind: str, name: str, record: Any, old: dict[str, Any]) -> None:
        previous: dict[str, Any] = {}
        newer_only = False
        if verb == "deleted":
            document = old
        else:
            found = self.district.clever_record(kind, name)
            assert found is not None
            found[0].clever_modified = self.at
            document = clever_records.document(self.district, kind, *found)
            if verb == "updated":
                previous = old
                newer_only = clever_records.older(kind, {**document, **old}) == clever_records.older(kind, document)
        self.district.events.append(
            Event(
                id=self.district.new_clever_id(),
                kind=self._clever_kind(kind, record),
                verb=verb,
                created=self.at,
                object=document,
                previous=previous,
                newer_only=newer_only,
            )
        )

    @staticmethod
    def _clever_kind(kind: str, record: Any) -> str:
        """Clever's word for a kind: our orgs are districts and schools there."""
        return kind if kind != "orgs" else f"{record.type}s"


# -- verbs ---------------------------------------------------------------------------------------------------


def enroll(change: Change, section: Section, user: User, role: str, *, primary: bool = False) -> Enrollment:
    """Put a person into a section from today."""
    added: Enrollment = change.add(
        "enrollments",
        Enrollment(id="", section=section.id, user=user.id, role=role, primary=primary, first_day=change.today),
    )
    return added


def end(change: Change, enrollment: Enrollment) -> None:
    """Take a person out of a section: today is the last day."""
    change.touch("enrollments", enrollment)
    enrollment.gone = True
    enrollment.last_day = max(change.today, enrollment.first_day or "")


def leave(change: Change, user: User) -> None:
    """A person leaves: their enrollments end, and guardians without another child here go too."""
    district = change.district
    for enrollment in district.of_user.get(user.id, ()):
        if not enrollment.gone:
            end(change, enrollment)
    family = _family(change, user)
    change.touch("users", user)
    user.gone = True
    user.left_on = change.today
    for guardian in family:
        settle_guardian(change, guardian)


def come_back(change: Change, user: User) -> None:
    """A person who left returns under the same id, with their guardians. Enrolling them is the caller's."""
    family = _family(change, user)
    change.touch("users", user)
    user.gone = False
    user.left_on = None
    for guardian in family:
        settle_guardian(change, guardian)


def give_guardians(change: Change, student: User, guardians: list[Guardian]) -> None:
    """Set who the guardians of a student are."""
    family = _family(change, student)
    change.touch("users", student)
    for link in guardians:
        guardian = change.district.users[link.id]
        change.touch("users", guardian)
        family.append(guardian)
    change.district.relate(student, guardians)
    for guardian in family:
        settle_guardian(change, guardian)


def settle_guardian(change: Change, guardian: User) -> None:
    """Make a guardian's roles follow the children still here; without any they are no guardian."""
    change.touch("users", guardian)
    if any(role.role == "student" for role in guardian.roles):
        return  # a brother or sister: loaded districts know such agents, and they are no guardians
    others = [role for role in guardian.roles if role.role != "guardian"]
    mine = [role for role in guardian.roles if role.role == "guardian"]
    word = mine[0].word if mine else "guardian"
    schools: dict[str | None, None] = {}
    for child in change.district.active_children(guardian):
        schools.update({role.org: None for role in child.roles if role.role == "student"})
    if schools:
        guardian.roles = others + [
            Role(
                role="guardian",
                org=org,
                word=word,
                type="secondary" if any(role.org == org for role in others) else "primary",
            )
            for org in schools
        ]
        guardian.gone = False
    elif others:
        guardian.roles = others
    else:
        guardian.gone = True


def remove(change: Change, kind: str, record: Any) -> None:
    """Remove any record, and what can not be without it: the enrollments of a section, the sections of a
    school.
    """
    district = change.district
    if isinstance(record, User):
        leave(change, record)
    elif isinstance(record, Enrollment):
        end(change, record)
    else:
        change.touch(kind, record)
        record.gone = True
        if kind == "sections":
            for enrollment in district.in_section.get(record.id, ()):
                if not enrollment.gone:
                    end(change, enrollment)
        elif kind == "orgs":
            for section in list(district.sections.values()):
                if section.school == record.id and not section.gone:
                    remove(change, "sections", section)


def _family(change: Change, student: User) -> list[User]:
    """The guardians of a student, looked at before anything about them changes."""
    family = [change.district.users[link.id] for link in student.guardians if link.id in change.district.users]
    family += change.district.active_children(student)
    for person in family:
        change.touch("users", person)
    return [person for person in family if any(link.id == person.id for link in student.guardians)]
