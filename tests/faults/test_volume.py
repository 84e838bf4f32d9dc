"""A first sync of a very large district: it streams, so that memory does not grow with the district."""

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.oneroster.read import read
from syncd.contract.connector import Connector, ConnectorSettings, Context, Resource
from syncd.contract.document import Cursor, Document, Finished, Page, Reading
from syncd.store import open_store
from syncd.sync.run import Order, run

PAGE = 200


class Endless(Connector):
    """Pages of made-up students, each made when it is asked for."""

    settings_model = ConnectorSettings
    students = 0

    def resources(self) -> tuple[Resource, ...]:
        return (Resource("users", ("user",)),)

    def pull(self) -> Iterator[Page | Finished | Cursor]:
        for start in range(0, self.students, PAGE):
            yield Page("users", [self._student(number) for number in range(start, start + PAGE)], self.students)
        yield Finished("users")

    def _student(self, number: int) -> Document:
        fields = {"sourcedId": f"s{number}", "givenName": f"Given {number}", "familyName": f"Family {number}", "identifier": f"{number}"}
        return Document("users", f"s{number}", json.dumps({**fields, "role": "student", "grades": ["03"], "status": "active"}).encode())

    def read(self, document: Document) -> Reading:
        return read(document)

    def probe(self) -> str:
        return ""


def _peak(folder: Path, students: int) -> int:
    """The most bytes that Python held at once during a first sync."""
    store = open_store(f"sqlite:///{folder}/{students}.db")

    def connect(context: Context) -> Connector:
        connector = Endless(ConnectorSettings(), context)
        connector.students = students
        return connector

    tracemalloc.start()
    try:
        report = run(store, Order("springfield", connect), Context("springfield"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (report.state, report.counts["users"].created) == ("applied", students)
    return peak


@pytest.mark.fault("V8")
def test_ten_times_the_students_need_hardly_more_memory(tmp_path: Path) -> None:
    _peak(tmp_path, PAGE)
    small, large = _peak(tmp_path, 4 * PAGE), _peak(tmp_path, 40 * PAGE)
    assert large < small * 1.25
