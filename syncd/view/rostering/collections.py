"""OneRoster's collections and what stands below each, who reads them, and what they may be told."""

from dataclasses import dataclass
from typing import NamedTuple

from syncd.errors import SyncdError


class NoSuch(SyncdError):
    """There is no such record, or it is not the reader's: which, is not told."""


class NotTaken(SyncdError):
    """A filter or a sort by something that can not be filtered or sorted by. what: filter or sort."""

    def __init__(self, what: str, message: str) -> None:
        super().__init__(message)
        self.what = what


class NoRosterYet(SyncdError):
    """The source was never synced: an empty list would say that everybody has left."""


class Resource(NamedTuple):
    """kind: of ours. part: the type of org or term, or the role of users, that is meant; None: all. many, one: what a list and a single
    record stand under. document: which collection's documents they are."""

    kind: str
    part: str | None
    many: str
    one: str
    document: str


RESOURCES = {
    "orgs": Resource("org", None, "orgs", "org", "orgs"),
    "schools": Resource("org", "school", "orgs", "org", "orgs"),
    "academicSessions": Resource("term", None, "academicSessions", "academicSession", "academicSessions"),
    "terms": Resource("term", "term", "academicSessions", "academicSession", "academicSessions"),
    "gradingPeriods": Resource("term", "gradingPeriod", "academicSessions", "academicSession", "academicSessions"),
    "courses": Resource("course", None, "courses", "course", "courses"),
    "classes": Resource("section", None, "classes", "class", "classes"),
    "users": Resource("user", None, "users", "user", "users"),
    "students": Resource("user", "student", "users", "user", "users"),
    "teachers": Resource("user", "teacher", "users", "user", "users"),
    "enrollments": Resource("enrollment", None, "enrollments", "enrollment", "enrollments"),
    "demographics": Resource("user", None, "demographics", "demographics", "demographics"),
}
# What stands below one record of a collection.
NESTED = {
    "schools": ("classes", "courses", "enrollments", "students", "teachers", "terms"),
    "classes": ("students", "teachers"),
    "courses": ("classes",),
    "terms": ("classes", "gradingPeriods"),
    "students": ("classes",),
    "teachers": ("classes",),
    "users": ("classes",),
}
# And below a class of a school.
IN_CLASS = ("enrollments", "students", "teachers")


@dataclass(frozen=True)
class Reader:
    """Who reads. schools: the only ones; None: the whole source."""

    source: str
    schools: tuple[str, ...] | None = None
