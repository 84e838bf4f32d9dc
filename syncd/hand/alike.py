"""Who is there already: before somebody is entered, all sources are looked through for the same person.

Only numbers, addresses and names that are just the same count. What is made of it later is a link (docs/links.md), never one record.
"""

from collections.abc import Collection

from pydantic import BaseModel
from sqlalchemy import func, or_, select

from syncd.hand.entered import Person
from syncd.store import Store
from syncd.store.columns import folded
from syncd.store.tables import ROSTER

# So many are told at most.
MOST = 20
_user = ROSTER["user"].c


class Alike(BaseModel):
    """Somebody who could be the same person. by: what they have in common: number, state_id, email, username or name."""

    source: str
    id: str
    by: list[str]


def alike(store: Store, person: Person, sources: Collection[str]) -> list[Alike]:
    """Active people of these sources who have a number, an address or both names in common with somebody."""
    values = person.values
    same = {
        "number": (values.get("number"), _user.student_number),
        "state_id": (values.get("state_id"), _user.state_id),
        "email": (_folded(values.get("email")), func.folded(_user.email)),
        "username": (_folded(values.get("username")), func.folded(_user.username)),
    }
    known = {name: (value, column) for name, (value, column) in same.items() if value}
    named = (func.folded(_user.given_name) == folded(values["given_name"])) & (
        func.folded(_user.family_name) == folded(values["family_name"])
    )
    found = []
    columns = (_user.source, _user.id, _user.student_number, _user.state_id, _user.email, _user.username)
    query = select(*columns, named.label("named")).where(_user.source.in_(sources), _user.status == "active")
    query = query.where(or_(named, *(column == value for value, column in known.values()))).order_by(_user.source, _user.id).limit(MOST + 1)
    with store.read() as connection:
        for row in connection.execute(query):
            has = {"number": row.student_number, "state_id": row.state_id, "email": _folded(row.email), "username": _folded(row.username)}
            by = [name for name, (value, _) in known.items() if has[name] == value] + (["name"] if row.named else [])
            if by:
                found.append(Alike(source=row.source, id=row.id, by=by))
    return found[:MOST]


def _folded(value: str | None) -> str | None:
    return folded(value) if value else None
