"""Clever's events: what changed since an event id (Events API; kept for 30 days, oldest first, and only where the app has them).

An event carries the whole record as it was then, so of one record only the latest event counts.
"""

from dataclasses import dataclass, field

import msgspec

from connectors.clever.fetch import document
from syncd.contract.document import Document
from syncd.errors import BadAnswer, FullPullNeeded, SignInRefused
from syncd.http.links import LoopGuard, next_link
from syncd.http.session import Http

PAGE = 1_000
# More than this is no day's change: pulling everything is cheaper than replaying it, and bounded in memory.
MOST = 50_000


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


_list = msgspec.json.Decoder(_List)


@dataclass
class Changes:
    """The latest state of all that changed: {(resource, id): document}, and the newest event that was read."""

    newest: str
    latest: dict[tuple[str, str], Document] = field(default_factory=dict)

    def of(self, resource: str) -> list[Document]:
        return [found for (name, _), found in self.latest.items() if name == resource]


def newest(http: Http, base: str) -> str | None:
    """The id of the newest event; None when there are none, or the app has no events. Raises SourceError."""
    try:
        answer = http.get(f"{base}/events", {"ending_before": "last", "limit": 1}, accept=(200, 400, 404, 501))
        found = _list.decode(answer.body).data if answer.status == 200 else []
    except (SignInRefused, msgspec.DecodeError) as problem:
        if getattr(problem, "status", 403) != 403:
            raise
        return None
    return found[-1].data.id if found else None


def since(http: Http, base: str, cursor: str) -> Changes:
    """All that changed after an event. Raises FullPullNeeded when Clever does not know that event any more, or too much has changed."""
    source = http.context.source
    if http.get(f"{base}/events/{cursor}", accept=(200, 404)).status == 404:
        raise FullPullNeeded(f"{source}: Clever does not know event {cursor} any more (events are kept for 30 days).")
    changes, loop = Changes(cursor), LoopGuard("events")
    url: str | None = f"{base}/events"
    params: dict[str, str | int] | None = {"starting_after": cursor, "limit": PAGE}
    while url is not None:
        answer = http.get(url, params)
        loop.pass_by(answer.url)
        try:
            page = _list.decode(answer.body)
        except (msgspec.DecodeError, RecursionError):
            raise BadAnswer(f"{source}: {http.host} did not send a list of events.", status=answer.status) from None
        for item in page.data:
            _take(changes, item.data)
        if len(changes.latest) > MOST:
            raise FullPullNeeded(f"{source}: more than {MOST} records changed.")
        following = next((link.uri for link in page.links or () if link.rel == "next" and link.uri), None)
        url, params = (next_link(base, answer.url, following), None) if following else (None, None)
    return changes


def _take(changes: Changes, event: _Event) -> None:
    changes.newest = event.id
    resource, _, verb = event.type.rpartition(".")
    found = document(resource, bytes(event.data.object))
    if found.id is not None:
        # Out and in again, so that the order is that of the latest events.
        changes.latest.pop((resource, found.id), None)
        changes.latest[resource, found.id] = found._replace(gone=verb == "deleted")
