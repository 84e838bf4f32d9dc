"""Pages of OneRoster's collections, in a way that survives what providers do: no totals, no links, limits cut without a word,
records twice. The end is the total where one is sent, or an empty page with nothing behind it; never a page shorter than asked."""

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from requests.utils import parse_header_links

from syncd.contract.document import Document, Finished, Page, Presence
from syncd.contract.known import Same
from syncd.errors import BadAnswer, FullPullNeeded, SourceUnavailable
from syncd.http.ahead import Ahead
from syncd.http.links import MOST_PAGES
from syncd.http.session import Answer, Http
from syncd.roster.fields import moment, text

SMALLEST_PAGE = 100
# A filter is ignored when what comes is older than that by more than any zone: some providers read its time in a zone of their own.
GRACE = timedelta(hours=24)
MOST_READS = 3
# Pages in a row without a record, although the provider says that there is more.
MOST_EMPTY = 3
# What a provider answers to a place in a list that is no more.
FORGOTTEN = (400, 410)
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Forgotten(Exception):
    """The provider does not know the place in the list any more."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status


class _Disordered(Exception):
    """The ids, rising so far, go back: what is new can not be told from what came before by the last id alone."""


class _Id(msgspec.Struct):
    sourcedId: str | int | None = None
    dateLastModified: Any = None


class _Standing(msgspec.Struct):
    sourcedId: str | int
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

    def see_page(self, dates: list[Any]) -> bool:
        """Note the dates of a page's records; False when one is older than what was asked for."""
        if self.since is None and set(map(type, dates)) == {str}:
            # As text the latest is the greatest, where all are written alike; where not, an earlier one makes nothing worse.
            latest = moment(max(dates))
            if latest is not None and latest <= self.began:
                return self.see(max(dates))
        return not [one for one in dates if not self.see(one)]


def one(resource: str, body: bytes) -> Document | Presence:
    """What the answer for one record says of it: its document, unless it is gone. (Some send more beside the record.)"""
    try:
        found = [(raw, told) for raw in _object.decode(body).values() if (told := _standing(raw)) is not None]
    except UNREADABLE:
        return Presence.CANNOT_TELL
    if len(found) != 1:
        return Presence.CANNOT_TELL
    ((raw, told),) = found
    if str(told.status or "").lower() in ("tobedeleted", "inactive"):
        return Presence.GONE
    return Document(resource, text(told.sourcedId), bytes(raw))


def _standing(raw: msgspec.Raw) -> _Standing | None:
    try:
        return msgspec.json.decode(raw, type=_Standing)
    except UNREADABLE:
        return None


class _Came:
    """How many different records of a collection came. While their ids rise, as they do when the provider sorts as it was asked to, the
    last id tells it; otherwise a mark of each is kept."""

    def __init__(self, *, sorts: bool) -> None:
        self.count = 0
        self._last: str | None = "" if sorts else None
        self._before: Callable[[], Iterable[str]] = tuple
        self._marks: set[int] = set()

    def page(self, ids: list[str]) -> int:
        """Note a page; how many of its records are new. Raises _Disordered."""
        if self._last is None:
            new = {hash(record) for record in ids} - self._marks
            self._marks |= new
            self.count += len(new)
            return len(new)
        last, different = self._last, set(ids)
        rising = [record for record in ids if record > last]
        # A list that grows while it is read repeats on a page what stood at the end of the one before.
        again = different.difference(rising)
        if len(different) < len(ids) or sorted(rising) != rising or not again.issubset(self._before() if again else ()):
            if self.count:
                raise _Disordered
            self._last = None
            return self.page(ids)
        self._before = lambda: ids
        return self._rise(len(rising), rising[-1] if rising else last)

    def same(self, page: Same) -> int:
        """Note a page that is known, as `page` does."""
        if self._last is None or page.first is None or page.last is None or page.first <= self._last:
            return self.page(page.ids())
        self._before = page.ids
        return self._rise(page.count, page.last)

    def _rise(self, new: int, last: str) -> int:
        self.count += new
        self._last = last
        return new


class Collection:
    """One collection of a provider. `asked` and `clock` are shared between collections: what was refused once is not asked again. place:
    where it is, if it is a part of the resource. chosen: a filter of its own."""

    def __init__(
        self,
        http: Http,
        ahead: Ahead,
        resource: str,
        page_size: int,
        asked: dict[str, str],
        clock: Clock,
        place: str | None = None,
        chosen: str | None = None,
    ) -> None:
        self._http = http
        self._ahead = ahead
        self._resource = self._key = resource
        self._place = place or resource
        self._chosen = {} if chosen is None else {"filter": chosen}
        self._limit = page_size
        self._asked = asked
        self._clock = clock
        self._sorts = bool(asked)
        self._came = _Came(sorts=self._sorts)

    def pages(self) -> Iterator[Page | Finished]:
        """The collection, closed by its Finished. Read a second time when its count does not match its records, and up to twice more when
        the provider forgets the place in the middle; what came before comes again."""
        attempt = 1
        while True:
            try:
                doubt = yield from self._once()
            except _Disordered:
                self._sorts = False
                continue
            except _Forgotten as problem:
                if attempt < MOST_READS:
                    attempt += 1
                    continue
                raise BadAnswer(
                    f"{self._http.context.source}: {self._http.host} answered {problem.status} in the middle of {self._resource}, "
                    f"{MOST_READS} times in a row.",
                    advice="Nothing was applied; tell the operator of the source.",
                    status=problem.status,
                ) from None
            if doubt is None or attempt > 1:
                yield Finished(self._resource, doubt)
                return
            attempt += 1

    def _once(self) -> Generator[Page, None, str | None]:
        """All pages from the beginning; returns a doubt, or None when the collection is whole. Raises _Forgotten and _Disordered."""
        self._came = _Came(sorts=self._sorts)
        self._ahead.forget()
        offset = empty = 0
        totals: set[int | None] = set()
        for _ in range(MOST_PAGES):
            answer = self._ask(offset)
            page = self._page(answer)
            totals.add(page.total)
            if page.total is not None and page.count == self._limit:
                # Its pages are as long as asked: where the next ones begin can be told.
                self._ahead.expect(self._place, map(self._params, range(offset + page.count, page.total, self._limit)))
            if page.count and not self._note(page):
                return f"{self._resource} sent the same page again at record {offset}"
            if page.count:
                # Those that came before too: they may differ, and what is right is not decided here.
                yield page
            offset += page.count
            if page.total is not None and self._came.count >= page.total:
                break
            if page.count:
                empty = 0
                continue
            # An empty page is the end, unless the provider says that there is more and there is.
            following = _next_offset(answer)
            empty += 1
            if following is None or following <= offset or empty > MOST_EMPTY:
                break
            offset = following
        else:
            return f"{self._resource} has no end"
        told = {total for total in totals if total is not None}
        if len(told) > 1:
            return f"{self._resource} changed its count while it was read ({min(told)} to {max(told)})"
        if told and self._came.count < min(told):
            return f"{self._resource} sent {self._came.count} of {min(told)} records"
        return None

    def _page(self, answer: Answer) -> Page:
        total = _total(answer)
        same = self._http.context.known.page(self._resource, answer.digest)
        return Page(self._resource, [] if same else self._frame(answer), total, answer.digest, same, answer.tag)

    def _note(self, page: Page) -> int:
        """How many of a page's records are new to this pull."""
        if page.same is not None:
            return self._came.same(page.same)
        return self._came.page([document.id or document.raw.decode(errors="replace") for document in page.documents])

    def _params(self, offset: int) -> dict[str, Any]:
        return {"limit": self._limit, "offset": offset, **self._asked, **self._clock.filter(), **self._chosen}

    def _ask(self, offset: int) -> Answer:
        while True:
            params = self._params(offset)
            if (early := self._ahead.take(self._place, params)) is not None:
                return early
            if offset:
                accept: tuple[int, ...] = (200, *FORGOTTEN)
            else:
                accept = (200, 400) if self._asked or self._clock.since is not None else (200,)
            try:
                answer = self._http.get(self._place, params, accept=accept, resource=self._resource)
            except SourceUnavailable as problem:
                # A gateway that gives up on a large page answers 502 or 504: ask for less.
                if problem.status not in (502, 504) or self._limit <= SMALLEST_PAGE:
                    raise
                self._limit = max(self._limit // 2, SMALLEST_PAGE)
                continue
            if answer.status in (200, 304):
                return answer
            if offset:
                raise _Forgotten(answer.status)
            if not self._asked:
                raise FullPullNeeded(f"{self._http.context.source}: {self._http.host} refuses the filter on dateLastModified.")
            self._asked.clear()

    def _frame(self, answer: Answer) -> list[Document]:
        try:
            page = _object.decode(answer.body)
            lists = _lists(page)
            # A part of a resource goes by the resource's name; some call it what the address does.
            for key in (self._key, self._place.rpartition("/")[2]):
                if key in page:
                    return self._documents(lists.get(key) or b"[" + bytes(page[key]) + b"]")
            # Some name their list otherwise. One without a record in it could be a list of anything, of errors too.
            if len(lists) == 1:
                ((key, found),) = lists.items()
                documents = self._documents(found)
                if any(document.id for document in documents):
                    self._key = key
                    return documents
        except UNREADABLE:
            pass
        raise BadAnswer(
            f"{self._http.context.source}: {self._http.host} did not send a list of {self._resource}.",
            advice="Check the url and version, and what the credentials may read.",
            status=200,
        )

    def _documents(self, found: bytes) -> list[Document]:
        raws = [bytes(raw) for raw in _flat(found)]
        try:
            items = [_id.decode(raw) for raw in raws]
        except UNREADABLE:
            items = [_identified(raw) for raw in raws]
        if not self._clock.see_page([item.dateLastModified for item in items]):
            raise FullPullNeeded(f"{self._http.context.source}: {self._http.host} ignores the filter on dateLastModified.")
        ids = _texts([item.sourcedId for item in items])
        return [Document(self._resource, record_id, raw) for record_id, raw in zip(ids, raws, strict=True)]


def _texts(ids: list[Any]) -> list[str | None]:
    """Ids as text; a page of plain ones is looked at as a whole."""
    if set(map(type, ids)) == {str}:
        whole = "".join(ids)
        if whole.isascii() and whole.isprintable() and " " not in whole and "" not in ids:
            return ids
    return [text(one) for one in ids]


def _identified(raw: bytes) -> _Id:
    """What can be read of one record's id and date."""
    try:
        return _id.decode(raw)
    except UNREADABLE:
        return _Id()


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
    return int(value) if value.isascii() and value.isdigit() else None


def _next_offset(answer: Answer) -> int | None:
    """Where the list goes on, by the answer's Link header."""
    links = parse_header_links(answer.headers.get("Link") or "")
    following = next((link["url"] for link in links if link.get("rel") == "next"), "")
    value = dict(parse_qsl(following.partition("?")[2])).get("offset", "")
    return int(value) if value.isascii() and value.isdigit() else None
