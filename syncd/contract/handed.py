"""A source that nobody asks: its records are handed in, some at a time, by a form or a spreadsheet.

They take the way of all others: they are staged, compared, weighed and applied by a run. Who is not among those that are handed in is never
missing from anything.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, ClassVar

from syncd.contract.connector import Abilities, Connector, Context
from syncd.contract.document import Cursor, Document, Finished, Page

# Documents of a page.
PAGE = 5_000


class HandedConnector(Connector):
    """Base of such connectors, which only say how a document is read. handed: what is handed in with this run."""

    abilities: ClassVar[Abilities] = Abilities(incremental=True, handed=True)
    handed: Sequence[Document] = ()

    def pull(self) -> Iterator[Page | Finished | Cursor]:
        yield from self._pages()
        for resource in self.resources():
            yield Finished(resource.name, NO_LIST)
        yield Cursor({})

    def changes(self, cursor: Any) -> Iterator[Page | Cursor]:
        yield from self._pages()
        yield Cursor(cursor)

    def probe(self) -> str:
        return "records are handed in: there is nobody to ask"

    def _pages(self) -> Iterator[Page]:
        for resource in self.resources():
            mine = (document for document in self.handed if document.resource == resource.name)
            while page := list(islice(mine, PAGE)):
                yield Page(resource.name, page)


NO_LIST = "records are handed in some at a time, so that nobody is missing from them"


def handing(connect: Callable[[Context], Connector], documents: Sequence[Document]) -> Callable[[Context], Connector]:
    """A source's `connect` that makes its connector with something handed in. What it gives raises TypeError for one that asks."""

    def connected(context: Context) -> Connector:
        connector = connect(context)
        if not isinstance(connector, HandedConnector):
            raise TypeError("nothing can be handed in to a connector that asks for its records")
        connector.handed = documents
        return connector

    return connected
