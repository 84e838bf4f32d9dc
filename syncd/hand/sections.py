"""A section as somebody enters it: its name, and who is in it, of those that were entered in the same source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

import msgspec
from sqlalchemy import or_, select

from syncd.contract.document import Document
from syncd.hand import handing
from syncd.hand.entered import LONGEST, Field
from syncd.roster.fields import LONGEST_ID, text
from syncd.settings.mistakes import Mistake
from syncd.settings.source import Source
from syncd.store import Store
from syncd.store.tables import ROSTER

FIELDS = (
    Field("name", "Name", ("section",), "as in Algebra 1"),
    Field("number", "Number", (), "the school's own number of the section"),
    Field("people", "Who is in it", (), "the IDs of students and teachers that were entered here, one a line"),
)
# Of all ids that a database takes at a time.
_BATCH = 500
_user, _enrolled = ROSTER["user"].c, ROSTER["enrollment"].c


@dataclass(frozen=True, slots=True)
class Section:
    """What was entered, found right. people: {user's id: role in the section}."""

    values: dict[str, str]
    people: dict[str, str]

    def new_id(self) -> str:
        """By its number, so that the same section entered twice is one; else one that none has."""
        return f"section:{self.values.get('number') or uuid4().hex}"

    def document(self, record_id: str, school_id: str) -> Document:
        """The section that it is, without who is in it."""
        record = {"id": record_id, "school_id": school_id, "name": self.values["name"], "number": self.values.get("number")}
        return Document("sections", record_id, msgspec.json.encode(record))


def check(store: Store, source: Source, entered: Mapping[str, str]) -> tuple[Section | None, list[Mistake]]:
    """The section, or what is wrong, by field."""
    values: dict[str, str] = {}
    wrong: list[Mistake] = []
    for name, most in (("name", LONGEST), ("number", LONGEST_ID - 20)):
        value = text(entered.get(name))
        if value is not None and len(value) > most:
            wrong.append(Mistake(name, f"is longer than {most} letters"))
        elif value is not None:
            values[name] = value
        elif name == "name":
            wrong.append(Mistake(name, "has to be there: as in Algebra 1"))
    lines = enumerate(map(str.strip, entered.get("people", "").splitlines()), start=1)
    wanted = {line: number for number, line in lines if line}
    people, unknown, doubtful = _people(store, source, list(wanted))
    wrong += [Mistake("people", f"line {wanted[one]}: nobody who was entered here has this ID") for one in unknown]
    wrong += [Mistake("people", f"line {wanted[one]}: several have it: say which, as in student:17") for one in doubtful]
    return (None if wrong else Section(values, people)), wrong


def people_of(store: Store, source: str, section_id: str) -> list[str]:
    """The ids of who is in a section."""
    mine = (_enrolled.source == source, _enrolled.section_id == section_id, _enrolled.status == "active")
    query = select(_enrolled.user_id).where(*mine).order_by(_enrolled.user_id)
    with store.read() as connection:
        return list(connection.execute(query).scalars())


def changed(store: Store, source: Source, section_id: str, section: Section) -> list[Document]:
    """What to hand in for a section to be as it was entered now. Raises Unknown."""
    school_id = handing.held(store, source, "section", section_id)["school_id"]
    values = {"name": section.values["name"]} | ({"number": section.values["number"]} if "number" in section.values else {})
    record = handing.changed(store, source, "section", section_id, values)
    return [record, *enrollments(store, source, section_id, school_id, section.people)]


def enrollments(store: Store, source: Source, section_id: str, school_id: str, people: Mapping[str, str]) -> list[Document]:
    """What to hand in for just these people to be in a section."""
    before = set(people_of(store, source.name, section_id))
    found = [_enrollment(section_id, user, school_id, role) for user, role in people.items()]
    left = [handing.gone(store, source, "enrollment", _enrollment_id(section_id, user))[0] for user in sorted(before - people.keys())]
    return found + left


def _people(store: Store, source: Source, words: Sequence[str]) -> tuple[dict[str, str], list[str], list[str]]:
    """({user's id: role}, words that nobody has, words that several have). A word is an id, or a number as the school has it."""
    found: dict[str, list[tuple[str, str]]] = {word: [] for word in words}
    with store.read() as connection:
        for begin in range(0, len(words), _BATCH):
            part = words[begin : begin + _BATCH]
            ids = [f"{role}:{word}" for word in part for role in ("student", "teacher", "staff")]
            query = select(_user.id, _user.student_number, _user.roles).where(
                _user.source == source.name, _user.status == "active", or_(_user.id.in_([*part, *ids]), _user.student_number.in_(part))
            )
            for row in connection.execute(query):
                role = "student" if any(one["role"] == "student" for one in row.roles) else "teacher"
                for word in {row.id, row.id.partition(":")[2], row.student_number or ""} & found.keys():
                    found[word].append((row.id, role))
    # What is written out in full means just that one.
    meant = {word: [one for one in users if one[0] == word] or users for word, users in found.items()}
    unknown = [word for word, users in meant.items() if not users]
    doubtful = [word for word, users in meant.items() if len(users) > 1]
    return {user: role for users in meant.values() for user, role in users}, unknown, doubtful


def _enrollment_id(section_id: str, user_id: str) -> str:
    return f"{section_id}/{user_id}"


def _enrollment(section_id: str, user_id: str, school_id: str, role: str) -> Document:
    record_id = _enrollment_id(section_id, user_id)
    record = {"id": record_id, "section_id": section_id, "user_id": user_id, "school_id": school_id, "role": role}
    return Document("enrollments", record_id, msgspec.json.encode(record))
