"""Base of the connectors that read files: how a set of files becomes a pull is the same for all; what is in it is each one's own."""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, ClassVar

from syncd.contract.connector import Abilities, Connector, Context
from syncd.contract.document import Cursor, Finished, Page
from syncd.files.arrival import Arrival
from syncd.files.bundle import Bundle
from syncd.files.place import Item
from syncd.files.settings import FilesSettings
from syncd.password import slow_digest


class FilesConnector(Connector):
    """The files of one source. endings: of those that are read; what: those, in a word."""

    abilities: ClassVar[Abilities] = Abilities(incremental=True)
    endings: ClassVar[tuple[str, ...]] = (".csv",)
    what: ClassVar[str] = "CSV"
    settings: FilesSettings

    def __init__(self, settings: FilesSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._arrival = Arrival(settings, context, self.endings, self.what, self.lists_everything)

    @abstractmethod
    def lists_everything(self, bundle: Bundle) -> bool:
        """Whether a bundle says all that there is to say, so that those before it need not be read. Raises BadFile."""

    @abstractmethod
    def everything(self, bundle: Bundle) -> Iterator[Page | Finished]:
        """What a bundle has in it, each resource closed by its Finished. Raises BadFile."""

    @abstractmethod
    def changed(self, bundle: Bundle) -> Iterator[Page]:
        """What a bundle says of changes. Raises FullPullNeeded when it lists everything, and BadFile."""

    @abstractmethod
    def found(self, bundle: Bundle) -> str:
        """One sentence on what is in it, in counts."""

    def pull(self) -> Iterator[Page | Finished | Cursor]:
        with self._arrival.opened() as bundle:
            digest = bundle.digest()
            yield from self.everything(bundle)
            yield self._cursor(digest)

    def changes(self, cursor: Any) -> Iterator[Page | Cursor]:
        """The same files say nothing new; other ones are read if they tell only changes."""
        if self._arrival.is_read(cursor.get("state", ""), self._kept):
            yield Cursor(cursor)
            return
        while True:
            with self._arrival.opened() as bundle:
                digest = bundle.digest()
                if self._kept(digest) != cursor["bundle"]:
                    yield from self.changed(bundle)
                elif self._arrival.next():
                    continue
                yield self._cursor(digest)
                return

    def probe(self) -> str:
        with self._arrival.opened() as bundle:
            return self.found(bundle)

    def earlier(self) -> list[Item]:
        """What was read before what is read now, from the newest zip on that lists everything, the oldest first; none when none is kept."""
        return self._arrival.earlier()

    def kept(self, item: Item) -> AbstractContextManager[Bundle]:
        """One of those. Raises BadFile."""
        return self._arrival.kept(item)

    def settled(self) -> None:
        self._arrival.settle()

    def close(self) -> None:
        self._arrival.close()

    def _cursor(self, digest: str) -> Cursor:
        return Cursor({"bundle": self._kept(digest), "state": self._kept(self._arrival.state())})

    def _kept(self, digest: str) -> str:
        """As it is kept. Files have passwords in them, whether those are read or not, and the store has nearly all of the rest: who has it
        could try words on a digest that is quickly made."""
        return slow_digest(digest, self.context.source)
