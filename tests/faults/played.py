"""A source that is played back: what a real connector got is kept, and given again without network or clock.

So a run can be repeated hundreds of times, in processes of its own, and each time meets exactly the same source.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from syncd.contract.connector import Abilities, Connector, Context, Resource
from syncd.contract.document import Cursor, Document, Finished, Page, Presence, Reading
from syncd.contract.known import Known
from syncd.store.columns import canonical


@dataclass
class Recording:
    """resources, pulled: of a full pull. changed: {cursor as text: what had changed since}. answers: {(resource, id): what asking gave}.
    readings: {document: what it says}."""

    resources: tuple[Resource, ...] = ()
    pulled: list[Page | Finished | Cursor] = field(default_factory=list)
    changed: dict[str, list[Page | Cursor]] = field(default_factory=dict)
    answers: dict[tuple[str, str], Presence] = field(default_factory=dict)
    readings: dict[Document, Reading] = field(default_factory=dict)


class Recorder(Connector):
    """Passes everything on to a real connector, and keeps what it gives."""

    abilities = Abilities(incremental=True, one=True)

    def __init__(self, real: Connector, recording: Recording) -> None:
        super().__init__(real.settings, real.context)
        self._real, self._recording = real, recording
        recording.resources = real.resources()

    def resources(self) -> tuple[Resource, ...]:
        return self._recording.resources

    def pull(self) -> Iterator[Page | Finished | Cursor]:
        self._recording.pulled = []
        # Whoever plays it back may know other pages.
        self._real.context.known = Known()
        for item in self._real.pull():
            self._recording.pulled.append(item)
            for document in item.documents if isinstance(item, Page) else ():
                self.read(document)
            yield item

    def changes(self, cursor: Any) -> Iterator[Page | Cursor]:
        kept = self._recording.changed[canonical(cursor)] = []
        for item in self._real.changes(cursor):
            kept.append(item)
            yield item

    def ask(self, resource: str, record_id: str) -> Presence:
        answer = self._recording.answers[resource, record_id] = self._real.ask(resource, record_id)
        return answer

    def read(self, document: Document) -> Reading:
        reading = self._recording.readings[document] = self._real.read(document)
        return reading

    def probe(self) -> str:
        return self._real.probe()

    def close(self) -> None:
        self._real.close()


class Played(Connector):
    """A connector that gives what was recorded. After its recorded cursors, nothing changes any more."""

    abilities = Abilities(incremental=True, one=True)

    def __init__(self, recording: Recording, context: Context) -> None:
        super().__init__(None, context)
        self._recording = recording

    def resources(self) -> tuple[Resource, ...]:
        return self._recording.resources

    def pull(self) -> Iterator[Page | Finished | Cursor]:
        yield from self._recording.pulled

    def changes(self, cursor: Any) -> Iterator[Page | Cursor]:
        yield from self._recording.changed.get(canonical(cursor), [Cursor(cursor)])

    def ask(self, resource: str, record_id: str) -> Presence:
        return self._recording.answers[resource, record_id]

    def read(self, document: Document) -> Reading:
        return self._recording.readings[document]

    def probe(self) -> str:
        return "played back"


def recorded(connect: Callable[[Context], Connector], recording: Recording) -> Callable[[Context], Connector]:
    """The same connector, with what it gives kept."""
    return lambda context: Recorder(connect(context), recording)
