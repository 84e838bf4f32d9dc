"""Recognises what came before: a page by the fingerprint of its bytes, a document by that of its own. What is recognised is not read.

The pages of the last full pull are gone through alongside those of this one, a stretch at a time, so that a record that comes or goes, and
shifts all that follow it by one place, hides nothing; and memory does not grow with the district. A document that is not met near its old
place is read again, which is slower and nothing else.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import compress
from operator import not_

from syncd.contract.connector import Resource
from syncd.contract.known import Known, Same
from syncd.store.pages import Before, Stored

# Documents within whose reach a document is recognised, and pages at least.
REACH = 100_000
LEAST_PAGES = 4
SIZE = 16
# A place among the documents: the page and, in the lower bits, the place on it.
PLACE = 24
INDEX = (1 << PLACE) - 1

Content = Callable[[str, int], tuple[bytes, list[str]]]


def split(fingerprints: bytes) -> list[bytes]:
    """The fingerprints of a page's documents."""
    return [fingerprints[start : start + SIZE] for start in range(0, len(fingerprints), SIZE)]


class KnownResource:
    """The pages of one resource as they came before, and which of their documents have come again."""

    def __init__(self, pages: list[Stored], unsettled: frozenset[str], content: Content) -> None:
        self.pages = pages
        self.unsettled = unsettled
        self._read = content
        self._by_digest = {page.digest: page for page in pages}
        # Of each page: True when it came again whole, else a mark for each document.
        self._came: dict[int, bytearray | bool] = {}
        # {fingerprint: page << PLACE | place on the page}, of the pages within reach.
        self._within: dict[bytes, int] = {}
        self._loaded: dict[int, list[bytes]] = {}
        self._ahead = self._here = 0

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

    def content(self, number: int) -> tuple[bytes, list[str]]:
        """(fingerprints, ids) of a page's documents."""
        return self._read(self.pages[number].resource, number)

    def came_whole(self, number: int) -> None:
        self._came[number] = True
        self._here = number

    def recognise(self, fingerprints: list[bytes]) -> list[bool]:
        """Which of a page's documents came before just so and are settled; they count as having come again."""
        found = [self._within.get(one) for one in fingerprints]
        while None in found and self._load():
            found = [self._within.get(one) if place is None else place for place, one in zip(found, fingerprints, strict=True)]
        met = [place for place in found if place is not None]
        for place in met:
            marks = self._came[place >> PLACE]
            if not isinstance(marks, bool):
                marks[place & INDEX] = 1
        if met:
            self._here = min(met) >> PLACE
        return [place is not None for place in found]

    def _load(self) -> bool:
        """Bring the next page within reach; False when there is none, or no room for it."""
        while self._ahead < len(self.pages) and self._came.get(self.pages[self._ahead].number) is True:
            self._ahead += 1
        if self._ahead >= len(self.pages) or not self._make_room():
            return False
        page = self.pages[self._ahead]
        self._ahead += 1
        fingerprints, ids = self.content(page.number)
        self._came[page.number] = bytearray(page.count)
        marks = self._loaded[page.number] = split(fingerprints)
        self._within.update(zip(marks, range(page.number << PLACE, (page.number << PLACE) + page.count), strict=True))
        if self.unsettled:
            for index in (index for index, one in enumerate(ids) if one in self.unsettled):
                self._within.pop(fingerprints[index * SIZE : (index + 1) * SIZE], None)
        return True

    def _make_room(self) -> bool:
        """Let go of the pages that lie behind, if there is no room for another one."""
        if len(self._within) < REACH or len(self._loaded) < LEAST_PAGES:
            return True
        for number in [number for number in self._loaded if number < self._here]:
            for one in self._loaded.pop(number):
                self._within.pop(one, None)
        return len(self._within) < REACH or len(self._loaded) < LEAST_PAGES

    def ids(self) -> Iterator[tuple[int, list[str], list[str]]]:
        """Page by page: its number, the ids that came again, and those that did not."""
        for page in self.pages:
            marks = self._came.get(page.number, False)
            ids = self.content(page.number)[1]
            if isinstance(marks, bool):
                yield (page.number, ids, []) if marks else (page.number, [], ids)
            else:
                yield page.number, list(compress(ids, marks)), list(compress(ids, map(not_, marks)))

    @property
    def whole(self) -> bool:
        """Whether all of it came again."""
        came = (self._came.get(page.number, False) for page in self.pages)
        return all(marks if isinstance(marks, bool) else all(marks) for marks in came)


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

    def came(self, digest: bytes) -> bool:
        return digest in self._digests
