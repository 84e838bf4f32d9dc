"""What nobody can go below: the bare download, and download, typed decode and the store's fastest bulk write.

No retries, no comparison, no change log, no guard, no quarantine. The garbage collector is off: a floor leaves out all that can be.
"""

import gc
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import psycopg
import requests
from sqlalchemy.engine import make_url

from bench.child import answer, orders, timed
from bench.district import KINDS, PAGE

Row = tuple[Any, ...]


class _Ref(msgspec.Struct, gc=False):
    sourcedId: str


class _Number(msgspec.Struct, gc=False):
    type: str
    identifier: str


class _Org(msgspec.Struct, gc=False):
    sourcedId: str
    status: str
    name: str
    type: str
    identifier: str
    parent: _Ref | None


class _Term(msgspec.Struct, gc=False):
    sourcedId: str
    status: str
    title: str
    type: str
    startDate: str
    endDate: str
    parent: _Ref | None
    schoolYear: str


class _Course(msgspec.Struct, gc=False):
    sourcedId: str
    status: str
    title: str
    courseCode: str
    org: _Ref
    grades: list[str]
    subjects: list[str]


class _Class(msgspec.Struct, gc=False):
    sourcedId: str
    status: str
    title: str
    classCode: str
    classType: str
    location: str
    grades: list[str]
    subjects: list[str]
    course: _Ref
    school: _Ref
    terms: list[_Ref]
    periods: list[str]


class _User(msgspec.Struct, gc=False):
    sourcedId: str
    status: str
    username: str
    userIds: list[_Number]
    enabledUser: str
    givenName: str
    familyName: str
    middleName: str
    role: str
    identifier: str
    email: str
    sms: str
    phone: str
    agents: list[_Ref]
    orgs: list[_Ref]
    grades: list[str]


# `class` is a word of Python's own.
class _Enrollment(msgspec.Struct, gc=False, rename={"of_class": "class"}):
    sourcedId: str
    status: str
    user: _Ref
    of_class: _Ref
    school: _Ref
    role: str
    primary: str
    beginDate: str
    endDate: str


_encode = msgspec.json.Encoder().encode


def _column(value: Any) -> Any:
    """A value as it lies in its column: a reference as its id, a list as JSON."""
    if isinstance(value, _Ref):
        return value.sourcedId
    if isinstance(value, list):
        return _encode([one.sourcedId if isinstance(one, _Ref) else one for one in value]).decode() if value else "[]"
    return value


def _row(record: Any) -> Row:
    return tuple([_column(value) for value in msgspec.structs.astuple(record)])


def _enrollment_row(record: _Enrollment) -> Row:
    return (
        record.sourcedId,
        record.status,
        record.user.sourcedId,
        record.of_class.sourcedId,
        record.school.sourcedId,
        record.role,
        record.primary,
        record.beginDate,
        record.endDate,
    )


TYPES: dict[str, tuple[Any, Callable[[Any], Row]]] = {
    "orgs": (_Org, _row),
    "academicSessions": (_Term, _row),
    "courses": (_Course, _row),
    "classes": (_Class, _row),
    "users": (_User, _row),
    "enrollments": (_Enrollment, _enrollment_row),
}


def _pages(session: requests.Session, url: str, name: str) -> Iterator[bytes]:
    offset = 0
    while True:
        params: dict[str, Any] = {"limit": PAGE, "offset": offset, "sort": "sourcedId", "orderBy": "asc"}
        page = session.get(f"{url}/{name}", params=params)
        yield page.content
        offset += PAGE
        if offset >= int(page.headers["X-Total-Count"]):
            return


def download(url: str) -> int:
    """Read all pages; how many bytes they have."""
    with requests.Session() as session:
        return sum(len(body) for name in KINDS for body in _pages(session, url, name))


def _rows(session: requests.Session, url: str, name: str) -> Iterator[list[Row]]:
    kind, row = TYPES[name]
    decoder = msgspec.json.Decoder(dict[str, list[kind]])
    for body in _pages(session, url, name):
        (found,) = decoder.decode(body).values()
        yield [row(record) for record in found]


def write_sqlite(url: str, path: str) -> None:
    """Download, decode, and insert into tables with row ids; the unique index comes last."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -65536"):
        connection.execute(f"PRAGMA {pragma}")
    with requests.Session() as session:
        connection.execute("BEGIN")
        for name, (kind, _) in TYPES.items():
            columns = kind.__struct_encode_fields__
            connection.execute(f"CREATE TABLE {name} ({', '.join(f'{column!r} TEXT' for column in columns)})")
            insert = f"INSERT INTO {name} VALUES ({', '.join('?' * len(columns))})"
            for rows in _rows(session, url, name):
                connection.executemany(insert, rows)
            connection.execute(f"CREATE UNIQUE INDEX {name}_id ON {name} (sourcedId)")
        connection.execute("COMMIT")
    connection.close()


def write_postgresql(url: str, database: str) -> None:
    """Download, decode, and COPY; the unique index comes last."""
    conninfo = make_url(database).set(drivername="postgresql").render_as_string(hide_password=False)
    with requests.Session() as session, psycopg.connect(conninfo) as connection, connection.cursor() as cursor:
        for name, (kind, _) in TYPES.items():
            columns = ", ".join(f'"{column}" TEXT' for column in kind.__struct_encode_fields__)
            cursor.execute(f"CREATE TABLE {name} ({columns})")
            with cursor.copy(f"COPY {name} FROM STDIN") as copy:
                for rows in _rows(session, url, name):
                    for row in rows:
                        copy.write_row(row)
            cursor.execute(f'CREATE UNIQUE INDEX ON {name} ("sourcedId")')


def main() -> None:
    asked = orders()
    gc.disable()
    url, store = asked["url"], asked.get("store")
    if store is None:
        size, cost = timed(lambda: download(url))
        answer(**cost, bytes=size)
    elif store.startswith("sqlite"):
        answer(**timed(lambda: write_sqlite(url, store.removeprefix("sqlite:///")))[1])
    else:
        answer(**timed(lambda: write_postgresql(url, store))[1])


if __name__ == "__main__":
    main()
