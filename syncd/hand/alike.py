"""Who is there already: before somebody is entered, all sources are looked through for the same person.

Only numbers, addresses and names that are just the same count. What is made of it later is a link (docs/links.md), never one record.
"""

from collections.abc import Collection

from pydantic import BaseModel
from sqlalchemy import func, or_, select

from syncd.hand.entered import Person
from syncd.store import Store
from syncd.store.tables import ROSTER

# So many are told at most.
MOST = 20
_user = ROSTER["user"].c


class Alike(BaseModel):
    """Somebody who could be the same person. by: what they have in common: number, state_id, email, username or name."""

    source: str
    id: str
    by: list[str]
    school_id: str | None


def alike(store: Store, person: Person, sources: Collection[str], but: tuple[str, str] | None = None) -> list[Alike]:
    """Active people of these sources who have a number, an address or both names in common with somebody. but: (source, id) of oneself."""
    values = person.values
    same = {
        "number": (values.get("number"), _user.student_number),
        "state_id": (values.get("state_id"), _user.state_id),
        "email": (_low(values.get("email")), func.lower(_user.email)),
        "username": (_low(values.get("username")), func.lower(_user.username)),
    }
    known = {name: (value, column) for name, (value, column) in same.items() if value}
    named = (func.lower(_user.given_name) == _low(values["given_name"])) & (func.lower(_user.family_name) == _low(values["family_name"]))
    found = []
    columns = (_user.source, _user.id, _user.home_id, _user.student_number, _user.state_id, _user.email, _user.username)
    query = select(*columns, named.label("named")).where(_user.source.in_(sources), _user.status == "active")
    query = query.where(or_(named, *(column == value for value, column in known.values()))).order_by(_user.source, _user.id).limit(MOST + 1)
    with store.read() as connection:
        for row in connection.execute(query):
            has = {"number": row.student_number, "state_id": row.state_id, "email": _low(row.email), "username": _low(row.username)}
            by = [name for name, (value, _) in known.items() if has[name] == value] + (["name"] if row.named else [])
            if (row.source, row.id) != but and by:
                found.append(Alike(source=row.source, id=row.id, by=by, school_id=row.home_id))
    return found[:MOST]


def _low(value: str | None) -> str | None:
    return value.lower() if value else None
