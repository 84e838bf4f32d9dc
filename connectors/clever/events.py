"""Clever's events: what changed since an event (Events API; kept for 30 days, oldest first, and only where the app has them).

An event carries the whole record as it was then, so of one record only the latest event counts.

A place in the events is the newest one that was read, and the one before it. Reading on starts behind the one before: the newest must
come again, and proves by that that nothing after it was forgotten. So one request tells both what is new and that nothing is missing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from connectors.clever.fetch import UNREADABLE, document
from syncd.contract.document import Document
from syncd.errors import BadAnswer, FullPullNeeded, SignInRefused, SourceUnavailable
from syncd.http.links import LoopGuard, next_link
from syncd.http.session import Http

PAGE = 1_000
# More than this is no day's change: pulling everything is cheaper than replaying it, and bounded in memory.
MOST = 50_000
# What Clever answers, beside 403, where the app has no events, or to a place that it has forgotten.
NONE_TO_BE_HAD = (400, 404, 410, 501)


class Place(msgspec.Struct, frozen=True):
    """Where reading stands: the id of the newest event that was read, and of the one before it (None: it was the oldest)."""

    newest: str
    before: str | None = None


class _Data(msgspec.Struct):
    object: msgspec.Raw = msgspec.Raw(b"null")


class _Event(msgspec.Struct):
    id: str
    type: str
    data: _Data


class _Item(msgspec.Struct):
    data: _Event


class _Link(msgspec.Struct):
    rel: str | None = None
    uri: str | None = None


class _List(msgspec.Struct):
    data: list[_Item]
    links: list[_Link] | None = None

    def following(self) -> str | None:
        return next((link.uri for link in self.links or () if link.rel == "next" and link.uri), None)


_list = msgspec.json.Decoder(_List)


@dataclass
class Changes:
    """The latest state of all that changed: {(resource, id): document}, and where reading stands now."""

    place: Place
    latest: dict[tuple[str, str], Document] = field(default_factory=dict)

    def of(self, resource: str) -> list[Document]:
        return [found for (name, _), found in self.latest.items() if name == resource]


def newest(http: Http, base: str) -> Place | None:
    """Where the events end; None when there are none, or none are to be had: then a full pull has to do without.

    Raises SourceError when Clever is not to be reached at all, or refuses the token.
    """
    place: Place | None = None
    try:
        for page in _pages(http, base, {"ending_before": "last", "limit": 2}):
            # The last two are the end. Where `ending_before` is not understood they are the first two, with more to follow.
            for item in page.data:
                place = Place(item.data.id, place.newest if place else None)
    except BadAnswer:
        return None
    except SourceUnavailable as problem:
        if problem.status is None:
            raise
        return None
    return place


def since(http: Http, base: str, place: Place) -> Changes:
    """All that changed after a place. Raises FullPullNeeded when Clever does not know that event any more, or too much has changed."""
    source = http.context.source
    changes, known = Changes(place), False
    start: dict[str, str | int] = {"limit": PAGE}
    if place.before is not None:
        start["starting_after"] = place.before
    for page in _pages(http, base, start):
        for item in page.data:
            if known:
                _take(changes, item.data)
            known = known or item.data.id == place.newest
        if not known:
            break
        if len(changes.latest) > MOST:
            raise FullPullNeeded(f"{source}: more than {MOST} records changed.")
    if not known:
        raise FullPullNeeded(f"{source}: Clever does not know event {place.newest} any more (events are kept for 30 days).")
    return changes


def _pages(http: Http, base: str, params: dict[str, str | int]) -> Iterator[_List]:
    """Pages of events to their end; none where there are no events to be had. Raises SourceError."""
    source, url = http.context.source, f"{base}/events"
    loop = LoopGuard(source, "events")
    asked: dict[str, str | int] | None = params
    while True:
        try:
            answer = http.get(url, asked, accept=(200, *NONE_TO_BE_HAD))
        except SignInRefused as problem:
            if problem.status != 403:
                raise
            return
        if answer.status != 200:
            return
        loop.pass_by(answer.url)
        try:
            page = _list.decode(answer.body)
        except UNREADABLE:
            raise BadAnswer(f"{source}: {http.host} did not send a list of events.", status=answer.status) from None
        yield page
        following = page.following()
        if following is None:
            return
        if params["limit"] == PAGE or not page.data:
            url, asked = next_link(source, base, answer.url, following), None
        else:
            # Not the end after all: on from here, in larger steps.
            asked = {"starting_after": page.data[-1].data.id, "limit": PAGE}


def _take(changes: Changes, event: _Event) -> None:
    changes.place = Place(event.id, changes.place.newest)
    resource, _, verb = event.type.rpartition(".")
    found = document(resource, bytes(event.data.object))
    if found.id is not None:
        # Out and in again, so that the order is that of the latest events.
        changes.latest.pop((resource, found.id), None)
        changes.latest[resource, found.id] = found._replace(gone=verb == "deleted")
