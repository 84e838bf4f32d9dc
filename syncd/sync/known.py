"""Recognises what came before: a page by the fingerprint of its bytes, a document by that of its own. What is recognised is not read.

The pages of the last full pull are gone through alongside those of this one, a stretch at a time, so that a record that comes or goes, and
shifts all that follow it by one place, hides nothing; and memory does not grow with the district. A document that is not met near its old
place is read again, which is slower and nothing else. (A mark of one byte for each record is all that is kept of a whole list.)
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate

from syncd.contract.connector import Resource
from syncd.contract.known import Known, Same
from syncd.store.pages import Before, Stored

# Documents within whose reach one is recognised, and pages at least.
REACH = 100_000
LEAST_PAGES = 4
SIZE = 16

Content = Callable[[str, int], tuple[bytes, list[str]]]
# Of some pages, the place of each settled document by its fingerprint, counted through the whole resource.
Places = dict[bytes, int]


def split(fingerprints: bytes) -> tuple[bytes, ...]:
    """The fingerprints of a page's documents."""
    return struct.unpack(f"{SIZE}s" * (len(fingerprints) // SIZE), fingerprints)


class KnownResource:
    """The pages of one resource as they came before, and which of their documents have come again."""

    def __init__(self, pages: list[Stored], unsettled: frozenset[str], content: Content) -> None:
        self.pages = pages
        self.unsettled = unsettled
        self._read = content
        self._by_digest = {page.digest: page for page in pages}
        self._by_address = {page.address: page for page in pages if page.address is not None}
        # The place at which each page begins, and a mark for each place whose document came again.
        self._starts = list(accumulate((page.count for page in pages), initial=0))
        self._came = bytearray(self._starts[-1])
        # The places within reach: those of the pages loaded last, and of those before. _ahead: the next page to load.
        self._near: Places = {}
        self._behind: Places = {}
        self._ahead = self._loaded = 0
        # The place of the first document that was recognised last.
        self._here = 0

    def page(self, digest: bytes) -> Same | None:
        """The page that this is, if nothing of it is unsettled."""
        found = self._by_digest.get(digest)
        if found is None:
            return None

        def ids() -> list[str]:
            return self.content(found.number)[1]

        if self.unsettled and not self.unsettled.isdisjoint(ids()):
            return None
        return Same(found.number, found.count, found.first, found.last, ids)

    def tagged(self, address: bytes) -> tuple[str, bytes] | None:
        """(ETag, digest) of the page that was asked for there, if `page` would know it again."""
        found = self._by_address.get(address)
        if found is None or found.etag is None or self.page(found.digest) is None:
            return None
        return found.etag, found.digest

    def content(self, number: int) -> tuple[bytes, list[str]]:
        """(fingerprints, ids) of a page's documents."""
        return self._read(self.pages[number].resource, number)

    def came_whole(self, number: int) -> None:
        start, end = self._starts[number : number + 2]
        self._came[start:end] = b"\1" * (end - start)
        self._here = start

    def recognise(self, fingerprints: Sequence[bytes]) -> list[bool]:
        """Which of a page's documents came before just so and are settled; they count as having come again."""
        if self._starts[self._ahead] - self._here < 2 * len(fingerprints):
            # What stands beside the page that came last will most likely be asked for.
            self._load()
        found = list(map(self._near.get, fingerprints))
        self._look(found, fingerprints, self._behind)
        while None in found and self._load():
            self._look(found, fingerprints, self._near)
        met = [place for place in found if place is not None]
        for place in met:
            self._came[place] = 1
        if met:
            self._here = min(met)
        return [place is not None for place in found]

    @staticmethod
    def _look(found: list[int | None], fingerprints: Sequence[bytes], places: Places) -> None:
        """Look for those that were not found yet."""
        for index in [index for index, place in enumerate(found) if place is None] if None in found else ():
            found[index] = places.get(fingerprints[index])

    def _load(self) -> bool:
        """Bring the next page within reach; False when there is none, or no room for it."""
        while self._ahead < len(self.pages) and self.marks(self._ahead) is True:
            self._ahead += 1
        if self._ahead >= len(self.pages) or not self._make_room():
            return False
        number, start = self._ahead, self._starts[self._ahead]
        fingerprints, ids = self.content(number)
        places = zip(split(fingerprints), range(start, start + len(ids)), strict=True)
        if self.unsettled:
            self._near.update((mark, place) for (mark, place), one in zip(places, ids, strict=True) if one not in self.unsettled)
        else:
            self._near.update(places)
        self._ahead += 1
        self._loaded += 1
        return True

    def _make_room(self) -> bool:
        """Let go of what lies behind, if there is no room for another page."""
        if len(self._near) < REACH // 2 or self._loaded < LEAST_PAGES // 2:
            return True
        if self._behind and max(self._behind.values()) >= self._here:
            return False
        self._behind, self._near, self._loaded = self._near, {}, 0
        return True

    def marks(self, number: int) -> bytearray | bool:
        """What of a page came again: all of it (True), nothing (False), or a mark for each document."""
        marks = self._came[self._starts[number] : self._starts[number + 1]]
        return True if 0 not in marks else marks if 1 in marks else False

    @property
    def whole(self) -> bool:
        """Whether all of it came again."""
        return 0 not in self._came


class KnownPages(Known):
    """What is known of a source before a full pull. content: reads a page's fingerprints and ids; called by who fetches, too."""

    def __init__(self, before: Before, resources: Iterable[Resource], content: Content) -> None:
        self.cursor = before.cursor
        self.before = before
        lacking = {kind for resource in resources if resource.name not in before.pages for kind in resource.kinds}
        # A kind that two lists state is known by both of them, or not at all.
        names = [resource.name for resource in resources if resource.name in before.pages and lacking.isdisjoint(resource.kinds)]
        self.resources = {name: KnownResource(before.pages[name], before.unsettled.get(name, frozenset()), content) for name in names}
        self._digests = {page.digest for name in names for page in before.pages[name]}

    def page(self, resource: str, digest: bytes) -> Same | None:
        found = self.resources.get(resource)
        return found.page(digest) if found is not None else None

    def tagged(self, resource: str, address: bytes) -> tuple[str, bytes] | None:
        found = self.resources.get(resource)
        return found.tagged(address) if found is not None else None

    def came(self, digest: bytes) -> bool:
        return digest in self._digests
