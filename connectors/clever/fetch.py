"""Pages of Clever's lists, as they are: follows `next` until there is none, and splits pages without reading the records."""

from collections.abc import Generator, Iterator

import msgspec

from syncd.contract.document import Document, Page
from syncd.errors import BadAnswer
from syncd.http.links import LoopGuard, next_link
from syncd.http.session import Answer, Http
from syncd.roster.fields import text


class _Item(msgspec.Struct):
    data: msgspec.Raw


class _Link(msgspec.Struct):
    rel: str | None = None
    uri: str | None = None


class _List(msgspec.Struct):
    data: list[_Item]
    links: list[_Link] | None = None
    count: int | None = None


class _Known(msgspec.Struct):
    """A list whose records need not be looked at."""

    data: msgspec.Raw
    links: list[_Link] | None = None
    count: int | None = None


class _One(msgspec.Struct):
    data: msgspec.Raw


class _Id(msgspec.Struct):
    id: str | int | None = None


UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
# How often a list is begun anew, and what Clever answers to a place in it that is no more.
RESTARTS = 2
FORGOTTEN = (400, 410)

_list = msgspec.json.Decoder(_List)
_known = msgspec.json.Decoder(_Known)
_one = msgspec.json.Decoder(_One)
_id = msgspec.json.Decoder(_Id)


def document(resource: str, raw: bytes) -> Document:
    """A document with the id that stands in it, if one can be read."""
    try:
        found = _id.decode(raw).id
    except UNREADABLE:
        found = None
    return Document(resource, text(found), raw)


def one(resource: str, body: bytes) -> Document:
    """The document in the answer for one record; one without an id where it has none."""
    try:
        return document(resource, bytes(_one.decode(body).data))
    except UNREADABLE:
        return Document(resource, None, body)


def pages(http: Http, base: str, resource: str, page_size: int, place: str | None = None) -> Iterator[Page]:
    """All pages of a list. place: where it is, if it is not the whole list of the resource. Raises SourceError. Where Clever forgets the
    place in the middle (400 or 410), the list is read anew from its beginning; what came before comes again."""
    for _ in range(RESTARTS):
        if (yield from _from_the_beginning(http, f"{base}/{place or resource}", resource, page_size, restarts=True)):
            return
    yield from _from_the_beginning(http, f"{base}/{place or resource}", resource, page_size, restarts=False)


def _from_the_beginning(http: Http, address: str, resource: str, page_size: int, *, restarts: bool) -> Generator[Page, None, bool]:
    """All pages; False when the place was forgotten in the middle. The limit is halved when Clever calls it too large (413)."""
    source = http.context.source
    loop, contents = LoopGuard(source, resource), LoopGuard(source, resource)
    url: str | None = address
    params: dict[str, int] | None = {"limit": page_size}
    while url is not None:
        answer = http.get(url, params, accept=(200, 413, *(FORGOTTEN if restarts and params is None else ())))
        if answer.status == 413 and params and params["limit"] > 1:
            params = {"limit": params["limit"] // 2}
            continue
        if answer.status in FORGOTTEN:
            return False
        loop.pass_by(answer.url)
        same = http.context.known.page(resource, answer.digest)
        page: _Known | _List
        if same is not None:
            page, documents = _known.decode(answer.body), []
            contents.pass_by(same.number)
        else:
            page = _page(http, answer, resource)
            documents = [document(resource, bytes(item.data)) for item in page.data]
            if documents:
                # A link that is always new may lead to the same page for ever.
                contents.pass_by(hash(tuple(document.id or document.raw for document in documents)))
        yield Page(resource, documents, page.count, answer.digest, same)
        following = next((link.uri for link in page.links or () if link.rel == "next" and link.uri), None)
        url, params = (next_link(source, address, answer.url, following), None) if following else (None, None)
    return True


def _page(http: Http, answer: Answer, resource: str) -> _List:
    if answer.status == 200:
        try:
            return _list.decode(answer.body)
        except UNREADABLE:
            pass
    raise BadAnswer(
        f"{http.context.source}: {http.host} did not send a list of {resource}.",
        advice="Check the url, the version and the kind of token (a district token is needed).",
        status=answer.status,
    )
