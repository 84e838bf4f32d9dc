"""1.2 has who is what in a file of its own, roles.csv: a user's roles are put into the user's own document, as the REST binding has them.

A user's row means nothing without them: whose number it has, and who is whose guardian, depends on the role.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from types import TracebackType

import msgspec

from syncd.contract.document import Document, Page
from syncd.errors import BadFile
from syncd.files.rows import CsvFile
from syncd.files.told import TOLD

_BATCH = 500


class Roles:
    """The roles of all users, in a temporary database on the disk: a large district's do not fit into memory. Use as a context."""

    def __init__(self) -> None:
        # A name that is empty: SQLite keeps it in a file of its own that nobody else sees, and removes it.
        self._desk = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._desk.execute("PRAGMA journal_mode = OFF")
        self._desk.execute("CREATE TABLE roles (user TEXT, id TEXT, entry BLOB, PRIMARY KEY (user, id)) WITHOUT ROWID")

    def __enter__(self) -> "Roles":
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        self._desk.close()

    def take(self, pages: Iterable[Page]) -> Iterator[Document]:
        """Keep the roles of roles.csv; gives documents that say what is odd, and of whom nothing can be told."""
        for page in pages:
            rows = []
            for document in page.documents:
                sent = msgspec.json.decode(document.raw)
                told, user = sent.get(TOLD, []), (sent.get("user") or {}).get("sourcedId")
                if user is None:
                    told = [[rule, place, False] for rule, place, _ in told] or [["missing", "roles.csv: userSourcedId", False]]
                    yield Document("users", None, msgspec.json.encode({TOLD: told}))
                    continue
                usable = "role" in sent and not any(fatal for _, _, fatal in told)
                entry = {name: sent[name] for name in ("roleType", "role", "org", "beginDate", "endDate") if name in sent}
                rows.append((user, document.id or "", msgspec.json.encode(entry) if usable else None))
            self._desk.execute("BEGIN")
            self._desk.executemany("INSERT OR REPLACE INTO roles VALUES (?, ?, ?)", rows)
            self._desk.execute("COMMIT")

    def joined(self, page: Page) -> Page:
        """The page with each user's roles in the user's document."""
        found: dict[str, list[bytes | None]] = {}
        ids = [document.id for document in page.documents if document.id is not None]
        for begin in range(0, len(ids), _BATCH):
            part = ids[begin : begin + _BATCH]
            asked = f"SELECT user, entry FROM roles WHERE user IN ({','.join('?' * len(part))}) ORDER BY user, id"  # nosec B608  # question marks
            for user, entry in self._desk.execute(asked, part):
                found.setdefault(user, []).append(entry)
        return Page(page.resource, [self._with_roles(document, found.get(document.id or "")) for document in page.documents])

    def _with_roles(self, document: Document, entries: list[bytes | None] | None) -> Document:
        if not entries:
            return document
        told = [entry for entry in entries if entry is not None]
        if len(told) < len(entries):
            # With a role less they would be somebody else: what is held of them stands.
            sent = msgspec.json.decode(document.raw)
            sent.setdefault(TOLD, []).append(["role-row", "roles.csv", True])
            return document._replace(raw=msgspec.json.encode(sent))
        return document._replace(raw=document.raw[:-1] + b',"roles":[' + b",".join(told) + b"]}")


def refuse_parts(file: CsvFile, mode: str | None) -> None:
    """Raises BadFile for roles or users that tell only changes: of a user of whom one row came, nobody can tell what the others say."""
    if mode == "delta":
        raise BadFile(
            f"{file.source}: {file.name} has only changes in it, and in OneRoster 1.2 a user's rows are of use together only.",
            advice="Have the SIS export everything (bulk).",
        )
