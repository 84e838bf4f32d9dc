"""A student information system in memory, and a connector that reads it, and that misbehaves when it is told to.

What is true is a dict of records. What the source says is documents: one per record, or (nested, as Clever does it) sections that state
their own enrollments. Each change of a document goes to the feed of changes, whose length is the cursor. What was said in a pull, true or
not, is written down as a `Said`, so that the oracle can judge by it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from syncd.contract.connector import Abilities, Connector, Context, Resource
from syncd.contract.document import Cursor, Document, Finished, Page, Presence, Reading
from syncd.errors import FullPullNeeded, SourceUnavailable
from syncd.roster.kinds import KINDS
from syncd.roster.scope import Scope

Key = tuple[str, str]
Fields = dict[str, Any]

RESOURCE = {"org": "orgs", "section": "sections", "user": "users", "enrollment": "enrollments"}
KIND = {resource: kind for kind, resource in RESOURCE.items()}
PAGE = 3
EPOCH = datetime(2026, 8, 1, tzinfo=UTC)


class Killed(BaseException):
    """The process dies here."""


@dataclass(frozen=True)
class Mischief:
    """What goes wrong in one pull.

    breaks_at: before that page, `breaks_how`: the source fails, or our process is killed, or asked to stop. hides: documents that are
    left out of the lists and of the changes. mute: the source answers no question by id. refuses: a resource of which nothing comes, and
    it is said so. cuts: one that ends after its first page without a word. empties: one that comes empty as if all were well. forgets:
    changes can not be told. repeats: how many earlier changes come again. stale: documents that come as they were before; doubles: that
    come both ways.
    """

    breaks_at: int | None = None
    breaks_how: str = "fails"
    hides: frozenset[Key] = frozenset()
    mute: bool = False
    refuses: str | None = None
    cuts: str | None = None
    empties: str | None = None
    forgets: bool = False
    repeats: int = 0
    stale: frozenset[Key] = frozenset()
    doubles: frozenset[Key] = frozenset()


HONEST = Mischief()


@dataclass(frozen=True)
class Statement:
    """What one document said of one record. document: the id of the document that said it, when it is not the record's own."""

    kind: str
    id: str
    fields: Fields
    gone: bool
    modified: int | None
    document: str | None = None


@dataclass
class Said:
    """All that the source said in one pull. finished: the resources that came to their end without a doubt. asked: what was asked for by
    id in a pull of a part, and what the documents that came so say."""

    incremental: bool = False
    statements: list[Statement] = field(default_factory=list)
    finished: set[str] = field(default_factory=set)
    cursor: int | None = None
    asked: dict[Key, list[Statement]] = field(default_factory=dict)


def statements(resource: str, payload: Fields, *, gone: bool) -> list[Statement]:
    """What a document says."""
    fields = {name: value for name, value in payload.items() if name not in ("id", "modified", "people")}
    modified = payload.get("modified")
    said = [Statement(KIND[resource], payload["id"], fields, gone, modified)]
    for person in payload.get("people", ()):
        own = {name: value for name, value in person.items() if name != "id"}
        said.append(Statement("enrollment", person["id"], own, gone, modified, payload["id"]))
    return said


class Sis:
    """The source. nested: sections state their enrollments. dated: documents say when they were changed."""

    def __init__(self, *, nested: bool = False, dated: bool = True) -> None:
        self.nested, self.dated = nested, dated
        self.records: dict[Key, Fields] = {}
        self.documents: dict[Key, Fields] = {}
        self.earlier: dict[Key, Fields] = {}
        self.feed: list[Key] = []
        self.ever: dict[Key, Fields] = {}

    def commit(self) -> None:
        """Publish what was changed in `records`: new versions of documents, and their place in the feed."""
        self.ever |= {key: dict(fields) for key, fields in self.records.items()}
        fresh = self._documents()
        for key in sorted(self.documents.keys() | fresh.keys()):
            old = self.documents.get(key)
            if old is not None and fresh.get(key) == {name: value for name, value in old.items() if name != "modified"}:
                fresh[key] = old
                continue
            self.feed.append(key)
            if old is not None:
                self.earlier[key] = old
            if key in fresh and self.dated:
                fresh[key]["modified"] = len(self.feed)
        self.documents = fresh

    def _documents(self) -> dict[Key, Fields]:
        documents = {}
        for (kind, record_id), fields in sorted(self.records.items()):
            if not (self.nested and kind == "enrollment"):
                documents[RESOURCE[kind], record_id] = {"id": record_id, **fields}
            if self.nested and kind == "section":
                documents["sections", record_id]["people"] = [
                    {"id": other_id, **other}
                    for (other_kind, other_id), other in sorted(self.records.items())
                    if other_kind == "enrollment" and other["section_id"] == record_id
                ]
        return documents

    def resources(self) -> tuple[Resource, ...]:
        if self.nested:
            return (
                Resource("orgs", ("org",), True),
                Resource("sections", ("section", "enrollment"), True),
                Resource("users", ("user",), True),
            )
        return tuple(Resource(resource, (kind,), True) for kind, resource in RESOURCE.items())


class InMemory(Connector):
    """A connector to a Sis, for one run. said: what it gives is written down there."""

    abilities = Abilities(incremental=True, one=True, scopes=frozenset({"school", "user"}))

    def __init__(self, sis: Sis, mischief: Mischief, said: Said, context: Context) -> None:
        super().__init__(None, context)
        self.sis, self.mischief, self.said = sis, mischief, said
        self._pages = 0

    def resources(self) -> tuple[Resource, ...]:
        return self.sis.resources()

    def pull(self) -> Iterator[Page | Finished | Cursor]:
        # A pull that is begun anew says everything anew.
        self.said.incremental = False
        self.said.statements.clear()
        self.said.finished.clear()
        cursor = len(self.sis.feed)
        for resource in self.resources():
            yield from self._pages_of(resource.name, [key for key in self.sis.documents if key[0] == resource.name])
        self.said.cursor = cursor
        yield Cursor(cursor)

    def _pages_of(self, resource: str, documents: list[Key]) -> Iterator[Page | Finished]:
        mischief = self.mischief
        if resource == mischief.refuses:
            yield Finished(resource, f"{resource} is no longer shared")
            return
        given = [version for key in documents for version in self._versions(key) if resource != mischief.empties]
        for start in range(0, len(given), PAGE):
            yield self._page(resource, [(payload, False) for payload in given[start : start + PAGE]])
            if resource == mischief.cuts:
                return
        self.said.finished.add(resource)
        yield Finished(resource, roles=("student",))

    def _versions(self, key: Key) -> list[Fields]:
        now, before = self.sis.documents[key], self.sis.earlier.get(key)
        if key in self.mischief.hides:
            return []
        if before is not None and key in self.mischief.doubles:
            return [before, now]
        return [before] if before is not None and key in self.mischief.stale else [now]

    def changes(self, cursor: Any) -> Iterator[Page | Cursor]:
        if self.mischief.forgets:
            raise FullPullNeeded("the feed of changes does not reach back so far.")
        self.said.incremental = True
        feed, latest = self.sis.feed[max(0, cursor - self.mischief.repeats) :], {}
        for place, key in enumerate(feed):
            latest[key] = place
        for resource in self.resources():
            changed = [
                key for key in sorted(latest, key=lambda key: latest[key]) if key[0] == resource.name and key not in self.mischief.hides
            ]
            given = [self._change(key) for key in changed]
            for start in range(0, len(given), PAGE):
                yield self._page(resource.name, given[start : start + PAGE])
        self.said.cursor = len(self.sis.feed)
        yield Cursor(len(self.sis.feed))

    def _change(self, key: Key) -> tuple[Fields, bool]:
        gone = key not in self.sis.documents
        return (self.sis.earlier[key] if gone else self.sis.documents[key]), gone

    def _page(self, resource: str, given: list[tuple[Fields, bool]]) -> Page:
        self._pages += 1
        if self._pages == self.mischief.breaks_at:
            if self.mischief.breaks_how == "killed":
                raise Killed
            if self.mischief.breaks_how == "stopped":
                self.context.stop.set()
            else:
                raise SourceUnavailable("sis: does not answer.")
        for payload, gone in given:
            self.said.statements += statements(resource, payload, gone=gone)
        return Page(resource, [Document(resource, payload["id"], json.dumps(payload).encode(), gone) for payload, gone in given])

    def part(self, scope: Scope) -> Iterator[Page | Finished]:
        self.said.incremental = True
        for resource in self.resources()[1:]:
            documents = [key for key in self.sis.documents if key[0] == resource.name and self._belongs(key, scope)]
            yield from self._pages_of(resource.name, documents)

    def _belongs(self, key: Key, scope: Scope) -> bool:
        resource, fields = key[0], self.sis.documents[key]
        if scope.kind == "user":
            mine = any(person["user_id"] == scope.id for person in fields.get("people", ()))
            return mine or (resource == "enrollments" and fields["user_id"] == scope.id)
        if resource == "users":
            return any(role["org_id"] == scope.id for role in fields["roles"])
        return bool(fields["school_id"] == scope.id)

    def find(self, resource: str, record_id: str) -> Document | Presence:
        answer, key = self.answer(KIND[resource], record_id), (resource, record_id)
        self.said.asked[KIND[resource], record_id] = []
        if answer is not Presence.FOUND:
            return answer
        payload = self.sis.documents[key]
        self.said.asked[KIND[resource], record_id] = statements(resource, payload, gone=False)
        return Document(resource, record_id, json.dumps(payload).encode())

    def answer(self, kind: str, record_id: str) -> Presence:
        """What the source says when it is asked for one record."""
        if self.mischief.mute:
            return Presence.CANNOT_TELL
        return Presence.FOUND if (kind, record_id) in self.sis.records else Presence.GONE

    def read(self, document: Document) -> Reading:
        said = statements(document.resource, json.loads(document.raw), gone=document.gone)
        return Reading([_record(statement) for statement in said])

    def probe(self) -> str:
        return f"{len(self.sis.documents)} documents"


def _record(said: Statement) -> Any:
    modified = None if said.modified is None else EPOCH + timedelta(seconds=said.modified)
    bookkeeping = {"id": said.id, "gone": said.gone, "modified": modified, "document_id": said.document}
    return msgspec.convert({**said.fields, **bookkeeping}, KINDS[said.kind])
