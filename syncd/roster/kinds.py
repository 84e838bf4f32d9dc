"""The six kinds, in the order they depend on each other: a kind refers only to itself and to kinds before it."""

from syncd.roster.course import Course
from syncd.roster.enrollment import Enrollment
from syncd.roster.org import Org
from syncd.roster.section import Section
from syncd.roster.term import Term
from syncd.roster.user import User

Record = Org | Term | Course | Section | User | Enrollment

KINDS: dict[str, type[Record]] = {
    "org": Org,
    "term": Term,
    "course": Course,
    "section": Section,
    "user": User,
    "enrollment": Enrollment,
}

PLURAL: dict[str, str] = {kind: f"{kind}s" for kind in KINDS}
SINGULAR: dict[str, str] = {plural: kind for kind, plural in PLURAL.items()}
PLURALS = tuple(SINGULAR)


def fields(kind: str) -> tuple[str, ...]:
    """The names of a kind's own fields, `id` and `extra` and bookkeeping excepted, in the order of `docs/roster.md`."""
    return tuple(name for name in KINDS[kind].__struct_fields__ if name not in RECORD_FIELDS)


RECORD_FIELDS = ("id", "gone", "modified", "document_id", "extra")
