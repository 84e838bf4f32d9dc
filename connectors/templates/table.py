"""One file → documents: {id, a column's name: its cell, or its cells where they are parted by semicolons, extra: {other column: cell}}.

Columns are found by name, in any order and case. What is nobody's business never gets into a document: passwords, and demographics,
unless they were asked for; and of what opens an account under another name nothing ever.
"""

import re
from collections.abc import Collection, Iterator
from itertools import chain, islice
from typing import Any, NamedTuple

import msgspec

from syncd.contract.document import Document, Page
from syncd.contract.passwords import FIELD, Seal
from syncd.contract.unread import is_password, is_unread
from syncd.files.formula import untamed
from syncd.files.rows import ROWS_OF_A_HABIT, Row, RowFile, longest
from syncd.files.templates import KINDS, Column, is_directive, plain
from syncd.files.told import TOLD, told_page
from syncd.files.zeros import Widths

# Documents of a page.
PAGE = 5_000
# Rows after the header in which the directive may stand.
FIRST = 5
# What the two files of people may have beside the template's columns, and by what names: these are fields of a person, too.
MORE = {
    "users": (Column("MiddleName", ""),),
    "students": (Column("MiddleName", ""), Column("Email", "")),
}
# Read only when demographics are asked for, but for the language: {name: as it is called from there on}.
DEMOGRAPHICS = {
    "birthdate": "Birthdate", "birthday": "Birthdate", "dateofbirth": "Birthdate", "dob": "Birthdate", "gender": "Gender", "sex": "Gender",
    "race": "Race", "ethnicity": "Ethnicity", "raceethnicity": "RaceEthnicity", "hispanic": "Hispanic", "hispanicethnicity": "Hispanic",
    "ell": "Ell", "ellstatus": "Ell", "iep": "Iep", "iepstatus": "Iep", "specialeducation": "SpecialEducation",
    "disability": "Disability", "frl": "Frl", "frlstatus": "Frl", "freereducedlunch": "Frl", "lunchstatus": "Frl",
    "economicallydisadvantaged": "EconomicallyDisadvantaged", "migrant": "Migrant", "homeless": "Homeless",
    "section504": "Section504", "homelanguage": "HomeLanguage", "homeaddress": "HomeAddress", "address": "HomeAddress",
}  # fmt: skip
# What makes a person's id: numbers of users and of students may be the same, and are not the same people.
PREFIX = {"users": "user:", "students": "student:"}
# Columns of which a dropped zero makes another record.
_IDS = frozenset({
    "OrganizationNumber", "ParentOrganizationNumber", "GroupNumber", "UserNumber", "StudentNumber", "StateStudentNumber",
})  # fmt: skip
# A long number as a spreadsheet shows it, and as which it then saves it: the digits that it left out are nowhere.
_ROUNDED = re.compile(r"\d+(?:[.,]\d+)?[eE]\+\d{1,3}")


class _Cell(NamedTuple):
    """What becomes of a column. where: None for the document itself, else the part of it. widths: where zeros may be lost."""

    place: int
    name: str
    where: str | None
    several: bool
    widths: Widths | None


class Table:
    """A file's documents. full: whether it lists everything; lacks: the optional columns that it has not. Raises BadFile."""

    def __init__(
        self, file: RowFile, kind: str, *, demographics: bool, districts: Collection[str] | None = (), seal: Seal | None = None
    ) -> None:
        """districts: the numbers of the organizations that are districts; None: nobody said. seal: to keep passwords with."""
        self.file, self.kind = file, kind
        self.rows = 0
        self._demographics, self._districts, self._seal = demographics, districts, seal
        self._password: int | None = None
        self._told: list[tuple[str, str]] = []
        self._number = KINDS[kind][0].name
        self._longest = len(file.header)
        self.full = any(map(is_directive, chain(file.header, *file.before)))
        if any(not any(map(is_directive, cells)) for cells in file.before):
            self._told.append(("before-header", file.name))
        self._cells = self._plan()
        self._rows = self._without_directive(file.rows())

    def __enter__(self) -> "Table":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def pages(self) -> Iterator[Page]:
        """Its documents; what is odd about the file comes last."""
        documents = map(self._document, self._rows)
        while page := list(islice(documents, PAGE)):
            self.rows += len(page)
            yield Page(self.kind, page)
        zeros = [(one, line) for one in self._cells if one.widths is not None and (line := one.widths.suspect()) is not None]
        self._told += [("lost-zeros", f"{self.file.name}, column {one.name}, line {line}") for one, line in zeros]
        told = [*self._told, *self.file.told]
        if told:
            yield told_page(self.kind, told)

    def _without_directive(self, rows: Iterator[Row]) -> Iterator[Row]:
        """The rows that are records. The directive stands where people put it: in a row of its own, or in a cell of one."""
        first = list(islice(rows, ROWS_OF_A_HABIT))
        self._longest = longest(first, len(self.file.header))
        kept = []
        for number, row in enumerate(first):
            if number < FIRST and any(map(is_directive, row.cells)):
                self.full = True
                row = row._replace(cells=["" if is_directive(cell) else cell for cell in row.cells])
                if not any(map(str.strip, row.cells)):
                    continue
            kept.append(row)
        return chain(kept, rows)

    def _plan(self) -> list[_Cell]:
        known = {plain(name): column for column in (*MORE.get(self.kind, ()), *KINDS[self.kind]) for name in (column.name, *column.also)}
        found: dict[str, int] = {}
        plan: list[_Cell] = []
        for place, written in enumerate(self.file.header):
            name = plain(written)
            if not name or is_directive(written):
                continue
            column = known.get(name)
            called = column.name if column else written
            if called in found:
                raise self.file.bad(
                    1, f"column {place + 1} means the same as column {found[called] + 1}", "Leave one of them out: nobody can tell which."
                )
            found[called] = place
            if is_unread(written):
                if is_password(written) and self.kind in PREFIX:
                    self._password = place
                continue
            if column and written.lower() not in (one.lower() for one in (column.name, *column.also)):
                self._told.append(("column-name", f"{self.file.name}, column {place + 1}"))
            if name in DEMOGRAPHICS and self.kind in PREFIX:
                if self._demographics:
                    plan.append(_Cell(place, DEMOGRAPHICS[name], "demographics", False, None))
            elif column:
                where = "extra" if column.name == "Language" else None
                plan.append(_Cell(place, called, where, column.several, Widths() if called in _IDS else None))
            else:
                self._told.append(("unknown-column", f"{self.file.name}, column {place + 1}"))
                plan.append(_Cell(place, written, "extra", False, None))
        self._require(found)
        return plan

    def _require(self, found: dict[str, int]) -> None:
        for column in KINDS[self.kind]:
            if column.needed and column.name not in found:
                names = " or ".join((column.name, *column.also))
                raise self.file.bad(
                    1, f"there is no column {names}", f"Take an empty template (syncd template {self.kind}), and keep its first row."
                )
        self.lacks = frozenset(column.name for column in KINDS[self.kind] if column.name not in found)
        lacking = [column.name for column in KINDS[self.kind] if column.name in self.lacks and column.told.startswith("Needed")]
        if self.kind == "users" and {"Email", "Username"} <= self.lacks:
            lacking.append("Email")
        if lacking:
            self._told.append(("column-missing", f"{self.file.name}: {', '.join(lacking)}"))

    def _document(self, row: Row) -> Document:
        cells = self.file.filled(row)
        wrong: list[list[Any]] = []
        if len(cells) > self._longest:
            wrong.append(["extra-cells", f"line {row.line}", True])
        sent: dict[str, Any] = {}
        for one in self._cells:
            cell = untamed(cells[one.place].strip())
            if not cell:
                continue
            values = [part for part in map(str.strip, cell.split(";")) if part] if one.several else [cell]
            if one.widths is not None and any(map(_ROUNDED.fullmatch, values)):
                wrong.append(["rounded-number", f"line {row.line}, column {one.name}", True])
            if one.widths is not None and not wrong:
                for value in values:
                    one.widths.take(value, row.line, number=one.place in row.numbers)
            if one.where is not None:
                sent.setdefault(one.where, {}).setdefault(one.name, cell)
            elif values:
                sent[one.name] = values if one.several else cell
        record_id = sent.get(self._number)
        if record_id is None:
            wrong.append(["no-id", f"line {row.line}", True])
        elif is_directive(record_id):
            # So far down it may have come with rows of another file: it is neither a record nor obeyed.
            wrong.append(["late-directive", f"line {row.line}", True])
            record_id = None
        if self.kind == "users" and "Role" not in sent:
            wrong.append(["missing", "Role", True])
        if record_id is not None:
            record_id = sent["id"] = PREFIX.get(self.kind, "") + record_id
            if (
                self._seal is not None
                and self._password is not None
                and (sealed := self._seal.seal(record_id, untamed(cells[self._password].strip())))
            ):
                sent[FIELD] = sealed
        if self.kind == "users":
            self._note_districts(sent)
        if wrong:
            sent[TOLD] = wrong
        return Document(self.kind, record_id, msgspec.json.encode(sent))

    def _note_districts(self, sent: dict[str, Any]) -> None:
        """Who administers a district is told from who administers a school by the organizations, which are another file."""
        if self._districts is not None:
            sent["districts"] = [number for number in sent.get("OrganizationNumber", ()) if number in self._districts]
        elif any("admin" in word.lower() for word in sent.get("Role", ())):
            self.file.tell("no-organizations", self.file.name)
