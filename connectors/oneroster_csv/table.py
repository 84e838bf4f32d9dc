"""One file → documents of the shape that OneRoster's REST binding has, so that one reader serves both.

Columns are found by name, in any order and case; what is not as the binding has it is told. A row that may have slipped (it has more cells
than there are columns) is not used.
"""

from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Any

import msgspec

from connectors.oneroster_csv.columns import FIELDS, MISSPELT, NEEDED, UNREAD
from syncd.contract.document import Document, Page
from syncd.contract.passwords import FIELD, Seal
from syncd.contract.unread import is_unread
from syncd.errors import BadFile
from syncd.files.formula import untamed
from syncd.files.oneroster import LEFT_OUT, columns
from syncd.files.rows import ROWS_OF_A_HABIT, CsvFile, Row, longest
from syncd.files.told import TOLD, told_page

# Documents of a page.
PAGE = 5_000

_Cell = tuple[int, str, Callable[[str], Any] | None, str | None]


class Table:
    """A file's documents. mode: `bulk` or `delta`, as its rows say; None before the first. Raises BadFile."""

    def __init__(self, file: CsvFile, name: str, version: str, seal: Seal | None = None) -> None:
        """seal: to keep the passwords of users with."""
        self.file, self.name, self._seal = file, name, seal
        self.mode: str | None = None
        self._told: list[tuple[str, str]] = []
        self._cells = self._plan(version)
        self._longest = len(file.header)

    def pages(self) -> Iterator[Page]:
        """Its documents; what is odd about the file comes last."""
        rows = self.file.rows()
        first = list(islice(rows, ROWS_OF_A_HABIT))
        self._longest = longest(first, len(self.file.header))
        documents = map(self._document, chain(first, rows))
        while page := list(islice(documents, PAGE)):
            yield Page(self.name, page)
        told = [*self._told, *self.file.told]
        if told:
            yield told_page(self.name, told)

    def _plan(self, version: str) -> list[_Cell]:
        """(place, field, how its cell is read, key of metadata) of each column that is of use."""
        known = columns(self.name, version)
        right = {name.lower(): name for name in known}
        right |= {wrong: name for wrong, name in MISSPELT.items() if name in known and wrong not in right}
        found: dict[str, int] = {}
        plan: list[_Cell] = []
        for place, written in enumerate(self.file.header):
            if not written:
                continue
            name = written if written in known else right.get(written.lower(), written)
            if name in found:
                raise self.file.bad(1, f"column {place + 1} has the same name as column {found[name] + 1}", "Leave one of them out.")
            found[name] = place
            if name != written:
                self._told.append(("column-name", f"{self.file.name}, column {place + 1}"))
            if name in UNREAD or is_unread(name.removeprefix("metadata.")):
                continue
            if name.lower().startswith("metadata."):
                plan.append((place, "metadata", None, name[len("metadata.") :]))
                continue
            if name not in known:
                self._told.append(("unknown-column", f"{self.file.name}, column {place + 1}"))
                if name.startswith("_"):
                    continue
            field, how = FIELDS.get(name, (name, None))
            plan.append((place, field, how, None))
        for name in NEEDED.get(self.name, ("sourcedId",)):
            if name not in found:
                raise self.file.bad(1, f"there is no column {name}", "Every file needs it: export the file anew.")
        self._places = found
        self._password = found.get("password") if self.name == "users" else None
        lacking = [name for name in known if name not in found and name != LEFT_OUT]
        if lacking:
            self._told.append(("column-missing", f"{self.file.name}: {', '.join(lacking)}"))
        there = [name for name in found if name in known]
        if there != sorted(there, key=known.index):
            self._told.append(("column-order", self.file.name))
        return plan

    def _document(self, row: Row) -> Document:
        cells = self.file.filled(row)
        wrong: list[list[Any]] = []
        if len(cells) > self._longest:
            wrong.append(["extra-cells", f"line {row.line}", True])
        sent: dict[str, Any] = {}
        for place, field, how, key in self._cells:
            cell = untamed(cells[place].strip())
            if not cell:
                continue
            if key is not None:
                sent.setdefault("metadata", {})[key] = cell
            else:
                sent[field] = cell if how is None else how(cell)
        record_id = sent.get("sourcedId")
        if record_id is None:
            wrong.append(["no-id", f"line {row.line}", True])
        elif (
            self._seal is not None
            and self._password is not None
            and (sealed := self._seal.seal(record_id, untamed(cells[self._password].strip())))
        ):
            sent[FIELD] = sealed
        self._judge(row, sent, wrong)
        if wrong:
            sent[TOLD] = wrong
        return Document(self.name, record_id, msgspec.json.encode(sent))

    def _judge(self, row: Row, sent: dict[str, Any], wrong: list[list[Any]]) -> None:
        """Bulk or delta, which every row of a file has to agree on."""
        status, dated = "status" in sent, "dateLastModified" in sent
        if status != dated:
            wrong.append(["status-and-date", f"line {row.line}", True])
            return
        mode = "delta" if status else "bulk"
        if self.mode is None:
            self.mode = mode
        elif self.mode != mode:
            raise self._mixed(row.line)

    def _mixed(self, line: int) -> BadFile:
        return self.file.bad(
            line,
            "some rows have a status and a date, and others have none, so that nobody can tell whether this is all or only what changed",
            "Fill both in every row, or in none.",
        )
