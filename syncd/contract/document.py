"""What travels from fetch to read: pages of documents, the end of a resource, and what a document was read as."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from syncd.contract.known import Same, Tag, fingerprint
from syncd.contract.passwords import SealedPassword
from syncd.roster.kinds import Record
from syncd.roster.user import UserPart


class Document(NamedTuple):
    """One item of a page, raw: the same bytes say the same. `id` is the source's id of it, or None when the item carries none that can be
    read. `gone`: the source says that it is no more, and `raw` is what it was last."""

    resource: str
    id: str | None
    raw: bytes
    gone: bool = False

    @property
    def fingerprint(self) -> bytes:
        """16 bytes that differ when the document's bytes do."""
        return fingerprint(self.raw)


@dataclass(frozen=True, slots=True)
class Page:
    """What one request gave. `total` is how many documents the resource has, where the source says so. digest: the fingerprint of the
    answer, where the same answer may be recognised by it. same: this very page came before; then `documents` is empty. tag: what the
    provider calls the answer's state."""

    resource: str
    documents: list[Document]
    total: int | None = None
    digest: bytes = b""
    same: Same | None = None
    tag: Tag | None = None

    @property
    def count(self) -> int:
        """How many documents it has."""
        return self.same.count if self.same is not None else len(self.documents)


@dataclass(frozen=True, slots=True)
class Finished:
    """A resource came to its end. `doubt` is None when all of it arrived; else one sentence (no personal data) on why what is
    absent may not be taken for gone. roles: of the users of one school, only people with these roles there were listed."""

    resource: str
    doubt: str | None = None
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the next pull of changes starts: a JSON value that only the connector understands. None when it can not tell."""

    value: Any


class Presence(Enum):
    """What a source says when it is asked for one record by id. Everything but a plain answer is CANNOT_TELL."""

    FOUND = "found"
    GONE = "gone"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a document, or one field of it, could not be used.

    rule: a word that groups (`not-json`, `no-id`, `missing`, `not-a-date`, …). field: the source's name of the field, or None
    for the whole. fatal: the document is not used at all. A problem never carries the value.
    """

    rule: str
    field: str | None = None
    fatal: bool = True


@dataclass(slots=True)
class Reading:
    """What a document says: records, parts of users whom other documents describe, passwords, and what could not be used."""

    records: list[Record] = field(default_factory=list)
    parts: list[UserPart] = field(default_factory=list)
    passwords: list[SealedPassword] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
