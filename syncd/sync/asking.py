"""Asks a source for one record after the other, and stages what it answers."""

from sqlalchemy import ColumnElement, Connection, case, func, select

from syncd.contract.connector import Connector
from syncd.contract.document import Document, Page, Presence
from syncd.roster.kinds import KINDS
from syncd.store.tables import ROSTER
from syncd.sync.reading import PageReader
from syncd.sync.stage import Staged, take

# So many records that we hold are asked for, until one is there, before a source is believed that others are not.
CONTROLS = 3


class Asking:
    """staged: where it is counted. resources: {kind: the lists whose records can be asked for}. asked: (kind, id) of all that were."""

    def __init__(self, connector: Connector, connection: Connection, source: str, staged: Staged) -> None:
        self.connector, self.connection, self.source, self.staged = connector, connection, source, staged
        self.resources = {kind: [one.name for one in connector.resources() if one.one and one.kinds[:1] == (kind,)] for kind in KINDS}
        self.asked: set[tuple[str, str]] = set()
        self._reader = PageReader(connector, None, incremental=True)
        self._tells: dict[str, bool] = {}

    def find(self, kind: str, record_id: str) -> Document | Presence:
        """The record, from any of the lists that could hold it; gone only when it is in none of them."""
        self.asked.add((kind, record_id))
        answers: list[Presence] = []
        for resource in self.resources[kind]:
            answer = self.connector.find(resource, record_id)
            if isinstance(answer, Document):
                if answer.id != record_id:
                    # Another record than was asked for says nothing of this one.
                    return Presence.CANNOT_TELL
                self._tells[kind] = True
                return answer
            answers.append(answer)
        return Presence.GONE if answers and set(answers) == {Presence.GONE} else Presence.CANNOT_TELL

    def tells(self, kind: str, inside: ColumnElement[bool] | None = None) -> bool:
        """Whether the source answers for any record of a kind. One that has nothing at such an address, or shares nothing any more, says of
        everybody that there is no such record, and where no whole list says the same it is not to be believed. inside: who belongs to
        what may be gone as a whole, and is asked for only where there is nobody else."""
        if kind not in self._tells:
            held, asked = ROSTER[kind].c, [one for of, one in self.asked if of == kind]
            drawn = select(held.id).where(held.source == self.source, held.status == "active", held.id.not_in(asked))
            by = [func.random()] if inside is None else [case((inside, 1), else_=0), func.random()]
            with self.connection.begin():
                ids = self.connection.execute(drawn.order_by(*by).limit(CONTROLS)).scalars().all()
            self._tells[kind] = any(isinstance(self.find(kind, one), Document) for one in ids)
        return self._tells[kind]

    def take(self, document: Document) -> None:
        """Stage a document that came."""
        self.take_page(Page(document.resource, [document]))

    def take_page(self, page: Page) -> None:
        """Stage the documents of a page."""
        take(self.connection, self.staged, self._reader.read(page))

    def take_gone(self, kind: str, record_id: str) -> None:
        """Stage that the source has no such record."""
        take(self.connection, self.staged, self._reader.gone(kind, record_id, self.resources[kind]))
