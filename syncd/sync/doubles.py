"""One id that came more than once: equal versions are one, the newest version wins, and where nobody can tell, none is used.

Pages that shift while a source changes repeat records; that is harmless. Two different records under one id are not. A version is all
that its document states: a section with its enrollments, a user with the guardians it names.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, delete, distinct, func, insert, select

from syncd.roster.kinds import KINDS
from syncd.sync.staging import STAGED, dropped, staged_parts, staged_passwords, staged_problems, staged_unreadable, staged_unsettled

BATCH = 500


def settle(connection: Connection, *, latest: bool = False) -> None:
    """Leave at most one staged version per kind and id; ids that can not be settled go to quarantine, what the roster holds stands.

    latest: the versions came in the order of time, as changes do: the last one is right when nothing else tells.
    """
    with connection.begin():
        for kind in KINDS:
            _settle(connection, kind, latest)
        _settle_parts(connection, latest)


def _settle(connection: Connection, kind: str, latest: bool) -> None:
    table = STAGED[kind]
    twice = select(table.c.id).group_by(table.c.id).having(func.count() > 1)
    names = ("row", "id", "version", "modified", "resource", "document_id")
    query = select(*(table.c[name] for name in names)).where(table.c.id.in_(twice)).order_by(table.c.id, table.c.row)
    differing: list[tuple[str, str]] = []
    doubtful: list[tuple[str, str, str]] = []
    right: set[int] = set()
    drop: list[dict[str, int]] = []
    for record_id, group in groupby(connection.execute(query, execution_options={"yield_per": BATCH}), key=lambda row: row.id):
        versions = list(group)
        keep = _newest(versions) or (versions[-1] if latest else None)
        drop += [{"row": row.row} for row in versions if keep is None or row.row != keep.row]
        if len(drop) >= BATCH:
            connection.execute(insert(dropped), drop)
            drop = []
        if len({row.version for row in versions}) > 1:
            documents = {(row.resource, row.document_id or record_id) for row in versions}
            differing += documents
            doubtful += [(*document, record_id) for document in documents if keep is None]
            right |= {keep.version} if keep is not None else set()
    if drop:
        connection.execute(insert(dropped), drop)
    connection.execute(delete(table).where(table.c.row.in_(select(dropped.c.row))))
    connection.execute(delete(dropped))
    quarantine(connection, doubtful)
    _unsettle(connection, differing)
    _forget(connection, kind, differing, right)


def _newest(versions: list[Row[Any]]) -> Row[Any] | None:
    if len({row.version for row in versions}) == 1:
        return versions[0]
    dated = [row for row in versions if row.modified is not None]
    if len(dated) < len(versions):
        return None
    newest = max(row.modified for row in dated)
    latest = [row for row in dated if row.modified == newest]
    return latest[0] if len({row.version for row in latest}) == 1 else None


def _forget(connection: Connection, kind: str, documents: list[tuple[str, str]], right: set[int]) -> None:
    """What the dropped versions of these documents state of others goes with them. right: the versions that were kept."""
    part, password, enrollment = staged_parts, staged_passwords, STAGED["enrollment"]
    named: dict[str, list[str]] = {}
    for resource, document in documents:
        named.setdefault(resource, []).append(document)
    for resource, names in named.items():
        for batch in _batches(names):
            wrong = select(part.c.row, part.c.version).where(part.c.resource == resource, part.c.document_id.in_(batch))
            rows = [row for row, version in connection.execute(wrong) if version not in right]
            for some in _batches(rows):
                connection.execute(delete(part).where(part.c.row.in_(some)))
            if kind == "user":
                wrong = select(password.c.row, password.c.version).where(password.c.user_id.in_(batch))
                rows = [row for row, version in connection.execute(wrong) if version not in right]
                for some in _batches(rows):
                    connection.execute(delete(password).where(password.c.row.in_(some)))
            if kind == "section":
                wrong = select(enrollment.c.row, enrollment.c.version).where(enrollment.c.document_id.in_(batch))
                rows = [row for row, version in connection.execute(wrong) if version not in right]
                for some in _batches(rows):
                    connection.execute(delete(enrollment).where(enrollment.c.row.in_(some)))


def _settle_parts(connection: Connection, latest: bool) -> None:
    """Documents that state nothing but parts of users (demographics) carry no date here: of two versions nobody can tell."""
    part = staged_parts.c
    odd = select(part.resource, part.document_id).group_by(part.resource, part.document_id).having(func.count(distinct(part.version)) > 1)
    documents = [(resource, document) for resource, document in connection.execute(odd)]
    if not latest:
        quarantine(connection, [(resource, document, document) for resource, document in documents])
    _unsettle(connection, documents)
    for resource, document in documents:
        mine = select(part.version).where(part.resource == resource, part.document_id == document).order_by(part.row.desc())
        last = connection.execute(mine.limit(1)).scalar_one()
        _forget(connection, "user", [(resource, document)], {last} if latest else set())


def _unsettle(connection: Connection, documents: list[tuple[str, str]]) -> None:
    """Documents of two versions are read again each time, also where one of them was taken."""
    rows = [{"resource": resource, "document_id": document} for resource, document in documents]
    if rows:
        connection.execute(insert(staged_unsettled), rows)


def quarantine(connection: Connection, doubtful: list[tuple[str, str, str]]) -> None:
    """Note that of (resource, document, record id) nobody can tell which of two versions is right."""
    for resource, document, record_id in doubtful:
        connection.execute(insert(staged_unreadable).values(resource=resource, document_id=document))
        told = {"resource": resource, "document_id": record_id, "rule": "two-versions", "field": None, "fatal": True}
        connection.execute(insert(staged_problems).values(told))
    _unsettle(connection, [(resource, document) for resource, document, _ in doubtful])


def _batches(items: list[Any]) -> Iterator[list[Any]]:
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))
