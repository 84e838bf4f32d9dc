"""1.2 has who is what in a file of its own, roles.csv: a user's roles are put into the user's own document, as the REST binding has them.

A user's row means nothing without them: whose number it has, and who is whose guardian, depends on the role. So changes of users or of
roles are read on top of what was read before, which is kept for that: of whoever a row changed, the whole user comes.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Self

import msgspec

from syncd.contract.document import Document, Page
from syncd.errors import BadFile
from syncd.files.rows import CsvFile
from syncd.files.told import TOLD

_BATCH = 500
# Documents of a page of users of whom something changed.
PAGE = 5_000


class Roles:
    """The roles of all users, in a temporary database on the disk: a large district's do not fit into memory. Use as a context."""

    def __init__(self) -> None:
        # A name that is empty: SQLite keeps it in a file of its own that nobody else sees, and removes it.
        self._desk = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._desk.execute("PRAGMA journal_mode = OFF")
        self._desk.execute("CREATE TABLE roles (user TEXT, id TEXT, entry BLOB, PRIMARY KEY (user, id)) WITHOUT ROWID")

    def __enter__(self) -> Self:
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
                rows.append((user, document.id or "", _entry(sent, told), sent.get("status") == "tobedeleted"))
            self._put(rows)

    def joined(self, page: Page) -> Page:
        """The page with each user's roles in the user's document."""
        found: dict[str, list[bytes | None]] = {}
        ids = [document.id for document in page.documents if document.id is not None]
        for begin in range(0, len(ids), _BATCH):
            part = ids[begin : begin + _BATCH]
            asked = f"SELECT user, entry FROM roles WHERE user IN ({','.join('?' * len(part))}) ORDER BY user, id"  # nosec B608  # question marks
            for user, entry in self._desk.execute(asked, part):
                found.setdefault(user, []).append(entry)
        return Page(page.resource, [_with_roles(document, found.get(document.id or "")) for document in page.documents])

    def _put(self, rows: list[tuple[str, str, bytes | None, bool]]) -> None:
        """Keep some: (user, id, entry, whether it is gone)."""
        self._desk.execute("BEGIN")
        self._desk.executemany("INSERT OR REPLACE INTO roles VALUES (?, ?, ?)", [row[:3] for row in rows])
        self._desk.executemany("DELETE FROM roles WHERE user = ? AND id = ?", [row[:2] for row in rows if row[3]])
        self._desk.execute("COMMIT")


class Changes(Roles):
    """Users and their roles as they were told last, and of whom something was told since `begin`."""

    def __init__(self) -> None:
        super().__init__()
        self._desk.execute("CREATE INDEX role_ids ON roles (id)")
        self._desk.execute("CREATE TABLE users (id TEXT PRIMARY KEY, raw BLOB) WITHOUT ROWID")
        self._desk.execute("CREATE TABLE changed (user TEXT PRIMARY KEY) WITHOUT ROWID")

    def begin(self) -> None:
        """What comes now is a change."""
        self._desk.execute("DELETE FROM changed")

    def forget_roles(self) -> None:
        """What comes now is all of them."""
        self._desk.execute("DELETE FROM roles")

    def take_users(self, pages: Iterable[Page]) -> Iterator[Document]:
        """Keep the rows of users.csv; gives documents of rows that are nobody's."""
        for page in pages:
            rows = [(document.id, document.raw) for document in page.documents if document.id is not None]
            self._desk.execute("BEGIN")
            self._desk.executemany("INSERT OR REPLACE INTO users VALUES (?, ?)", rows)
            self._touch(row[0] for row in rows)
            self._desk.execute("COMMIT")
            yield from (document for document in page.documents if document.id is None)

    def pages(self) -> Iterator[Page]:
        """Whoever has changed, whole; and of whom a role was told without a user ever having been."""
        last = ""
        asked = "SELECT c.user, u.raw FROM changed c LEFT JOIN users u ON u.id = c.user WHERE c.user > ? ORDER BY c.user LIMIT ?"
        while rows := self._desk.execute(asked, (last, PAGE)).fetchall():
            last = rows[-1][0]
            known = [Document("users", user, raw) for user, raw in rows if raw is not None]
            nobody = {TOLD: [["role-row", "roles.csv", False]]}
            lost = [Document("users", None, msgspec.json.encode(nobody)) for _, raw in rows if raw is None]
            yield Page("users", [*self.joined(Page("users", known)).documents, *lost])

    def _put(self, rows: list[tuple[str, str, bytes | None, bool]]) -> None:
        for user, role_id, _, _ in rows:
            # A role that is somebody else's now is no longer theirs.
            others = self._desk.execute("DELETE FROM roles WHERE id = ? AND user <> ? RETURNING user", (role_id, user)).fetchall()
            self._touch(other for (other,) in others)
        super()._put(rows)
        self._touch(row[0] for row in rows)

    def _touch(self, users: Iterable[str]) -> None:
        self._desk.executemany("INSERT OR IGNORE INTO changed VALUES (?)", ((user,) for user in users))


def _entry(sent: dict[str, Any], told: list[list[Any]]) -> bytes | None:
    """A role as the REST binding has it; None when the row can not be used."""
    if "role" not in sent or any(fatal for _, _, fatal in told):
        return None
    return msgspec.json.encode({name: sent[name] for name in ("roleType", "role", "org", "beginDate", "endDate") if name in sent})


def _with_roles(document: Document, entries: list[bytes | None] | None) -> Document:
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
    """Raises BadFile for roles or users that tell only changes where the manifest does not say so: nobody can tell what the others are."""
    if mode == "delta":
        raise BadFile(
            f"{file.source}: {file.name} has only changes in it, and the manifest does not say so.",
            advice="Have the SIS say delta there, or export everything (bulk).",
        )
