"""One id that came more than once: equal versions are one, the newest version wins, and where nobody can tell, none is used.

Pages that shift while a source changes repeat records; that is harmless. Two different records under one id are not.
"""

from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, func, insert, select

from syncd.sync.staging import STAGED, staged_problems, staged_unreadable


def settle(connection: Connection, *, latest: bool = False) -> None:
    """Leave at most one staged row per kind and id; ids that can not be settled go to quarantine, their stored version stands.

    latest: the versions came in the order of time, as changes do: the last one is right when nothing else tells.
    """
    with connection.begin():
        for table in STAGED.values():
            _settle(connection, table, latest)
        # Nobody can tell which people a section has that came in two versions.
        enrollment = STAGED["enrollment"]
        document = staged_unreadable.c.document_id
        connection.execute(delete(enrollment).where(enrollment.c.document_id.in_(select(document).where(document.is_not(None)))))


def _settle(connection: Connection, table: Table, latest: bool) -> None:
    twice = select(table.c.id).group_by(table.c.id).having(func.count() > 1)
    query = select(table).where(table.c.id.in_(twice)).order_by(table.c.id, table.c.row)
    drop: list[int] = []
    for record_id, group in groupby(connection.execute(query), key=lambda row: row.id):
        versions = list(group)
        keep = _newest(versions) or (versions[-1] if latest else None)
        drop += [row.row for row in versions if keep is None or row.row != keep.row]
        if keep is None:
            first = versions[0]
            document = first.document_id or record_id
            connection.execute(insert(staged_unreadable).values(resource=first.resource, document_id=document))
            connection.execute(
                insert(staged_problems).values(resource=first.resource, document_id=record_id, rule="two-versions", field=None, fatal=True)
            )
    for start in range(0, len(drop), 500):
        connection.execute(delete(table).where(table.c.row.in_(drop[start : start + 500])))


def _newest(versions: list[Row[Any]]) -> Row[Any] | None:
    def content(row: Row[Any]) -> tuple[Any, ...]:
        return tuple(value for name, value in row._mapping.items() if name not in ("row", "modified", "resource"))

    if all(content(row) == content(versions[0]) for row in versions):
        return versions[0]
    dated = [row for row in versions if row.modified is not None]
    if len(dated) < len(versions):
        return None
    newest = max(row.modified for row in dated)
    latest = [row for row in dated if row.modified == newest]
    return latest[0] if all(content(row) == content(latest[0]) for row in latest) else None
