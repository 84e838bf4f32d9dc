"""Pages of OneRoster's collections, in a way that survives what providers do: no totals, no links, limits cut without a word,
records twice. The end is an empty page, or the total where one is sent; never a page shorter than asked."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from syncd.contract.document import Document, Finished, Page, Presence
from syncd.errors import BadAnswer, FullPullNeeded, SourceUnavailable
from syncd.http.links import MOST_PAGES
from syncd.http.session import Answer, Http
from syncd.roster.fields import moment, text

SMALLEST_PAGE = 100
# A filter is ignored when what comes is older than that by more than any zone: some providers read its time in a zone of their own.
GRACE = timedelta(hours=24)


class _Id(msgspec.Struct):
    sourcedId: str | int | None = None  # noqa: N815
    dateLastModified: Any = None  # noqa: N815


class _Standing(msgspec.Struct):
    sourcedId: str | int  # noqa: N815
    status: Any = None


_id = msgspec.json.Decoder(_Id)
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass
class Clock:
    """The provider's clock, as its records show it. newest: the latest `dateLastModified` that came and is older than this pull. since:
    only what is dated from here on is asked for; None asks for everything. began: when the pull did."""

    newest: datetime | None = None
    since: datetime | None = None
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def filter(self) -> dict[str, str]:
        """The filter, in UTC with a Z: a numeric zone would need its + encoded twice for some providers."""
        return {} if self.since is None else {"filter": f"dateLastModified>='{self.since.strftime('%Y-%m-%dT%H:%M:%S.000Z')}'"}

    def see(self, modified: Any) -> bool:
        """Note a record's date; False when it is older than what was asked for.

        What is dated after this pull began tells no place to go on from: a record may claim to be of the future, and one that changed after
        its page had been read is older than those on the pages after it.
        """
        at = moment(modified)
        if at is None:
            return True
        if at <= self.began and (self.newest is None or at > self.newest):
            self.newest = at
        return self.since is None or at >= self.since - GRACE


def standing(body: bytes) -> Presence:
    """What the answer for one record says of it."""
    try:
        (found,) = msgspec.json.decode(body, type=dict[str, msgspec.Raw]).values()
        status = msgspec.json.decode(found, type=_Standing).status
    except (msgspec.DecodeError, RecursionError, ValueError):
        return Presence.CANNOT_TELL
    return Presence.GONE if str(status or "").lower() in ("tobedeleted", "inactive") else Presence.FOUND


class Collection:
    """One collection of a provider. `asked` and `clock` are shared between collections: what was refused once is not asked again."""

    def __init__(self, http: Http, resource: str, key: str, page_size: int, asked: dict[str, str], clock: Clock) -> None:
        self._http = http
        self._resource = resource
        self._key = key
        self._limit = page_size
        self._asked = asked
        self._clock = clock
        self._been: set[int] = set()

    def pages(self) -> Iterator[Page | Finished]:
        """The collection, closed by its Finished. Pulled a second time when its count does not match its records."""
        for attempt in (1, 2):
            doubt = yield from self._once()
            if doubt is None or attempt == 2:
                yield Finished(self._resource, doubt)
                return

    def _once(self) -> Generator[Page, None, str | None]:
        """All pages from the beginning; returns a doubt, or None when the collection is whole."""
        self._been.clear()
        offset = 0
        totals: set[int | None] = set()
        for _ in range(MOST_PAGES):
            answer = self._ask(offset)
            documents = self._frame(answer)
            total = _total(answer)
            totals.add(total)
            new = [document for document in documents if document.id is None or self._first_seen(document.id)]
            if documents and not new:
                return f"{self._resource} sent the same page again at record {offset}"
            if documents:
                yield Page(self._resource, documents, total)
            offset += len(documents)
            if not documents or (total is not None and len(self._been) >= total):
                break
        else:
            return f"{self._resource} has no end"
        told = {total for total in totals if total is not None}
        if len(told) > 1:
            return f"{self._resource} changed its count while it was read ({min(told)} to {max(told)})"
        if told and len(self._been) < min(told):
            return f"{self._resource} sent {len(self._been)} of {min(told)} records"
        return None

    def _first_seen(self, record_id: str) -> bool:
        mark = hash(record_id)
        if mark in self._been:
            return False
        self._been.add(mark)
        return True

    def _ask(self, offset: int) -> Answer:
        while True:
            params: dict[str, Any] = {"limit": self._limit, "offset": offset, **self._asked, **self._clock.filter()}
            optional = self._asked or self._clock.since is not None
            try:
                answer = self._http.get(self._resource, params, accept=(200, 400) if optional else (200,))
            except SourceUnavailable as problem:
                # A gateway that gives up on a large page answers 502 or 504: ask for less.
                if problem.status not in (502, 504) or self._limit <= SMALLEST_PAGE:
                    raise
                self._limit = max(self._limit // 2, SMALLEST_PAGE)
                continue
            if answer.status == 200:
                return answer
            if not self._asked:
                raise FullPullNeeded(f"{self._http.context.source}: {self._http.host} refuses the filter on dateLastModified.")
            self._asked.clear()

    def _frame(self, answer: Answer) -> list[Document]:
        try:
            page = _object.decode(answer.body)
            lists = _lists(page)
            found = lists.get(self._key)
            if found is None and self._key in page:
                found = b"[" + bytes(page[self._key]) + b"]"
            if found is None and len(lists) == 1 and "statusInfoSet" not in lists:
                found = next(iter(lists.values()))
            if found is not None:
                return [self._document(bytes(raw)) for raw in _flat(found)]
        except (msgspec.DecodeError, RecursionError):
            pass
        raise BadAnswer(
            f"{self._http.context.source}: {self._http.host} did not send a list of {self._resource}.",
            advice="Check the url and version, and what the credentials may read.",
            status=200,
        )

    def _document(self, raw: bytes) -> Document:
        try:
            item = _id.decode(raw)
            found = item.sourcedId
        except (msgspec.DecodeError, RecursionError):
            found = None
        else:
            if not self._clock.see(item.dateLastModified):
                raise FullPullNeeded(f"{self._http.context.source}: {self._http.host} ignores the filter on dateLastModified.")
        return Document(self._resource, text(found), raw)


def _lists(page: dict[str, msgspec.Raw]) -> dict[str, bytes]:
    found = {key: bytes(raw).lstrip() for key, raw in page.items()}
    return {key: raw for key, raw in found.items() if raw[:1] == b"["}


def _flat(found: bytes) -> list[msgspec.Raw]:
    """The items of a list; a list of lists (seen for orgs) is flattened by one level."""
    items = _list.decode(found)
    if items and bytes(items[0]).lstrip()[:1] == b"[":
        return [inner for item in items for inner in _list.decode(item)]
    return [] if len(items) == 1 and bytes(items[0]) == b"null" else items


def _total(answer: Answer) -> int | None:
    value = (answer.headers.get("X-Total-Count") or "").strip()
    return int(value) if value.isdigit() else None
