"""Reading links: who is known from several sources, and what a person needs to decide whether two are the same."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, and_, or_, select

from syncd.store.engine import Store
from syncd.store.tables import ROSTER, links

# Named only when names are asked for.
NAMES = ("given_name", "family_name")


def listed(store: Store, source: str | None = None, *, proposed: bool = False, names: bool = False) -> Iterator[dict[str, Any]]:
    """All links, or those of one source, by source and id; `users` has the two of them as far as the roster knows them.

    proposed: only those that wait for a person, and these only while both users are active. names: with their names.
    """
    query = _whole(names)
    if source:
        query = query.where(or_(links.c.source == source, links.c.other_source == source))
    if proposed:
        query = query.where(links.c.state == "proposed", *(end.c.status == "active" for end in _ENDS))
    with store.read() as connection:
        for row in connection.execute(query.execution_options(yield_per=1000)):
            yield _as_link(row, names)


def of_user(store: Store, source: str, user_id: str) -> list[dict[str, Any]]:
    """The links of one user, whichever end it is; `other_source` and `other_id` are always the other end."""
    key = ("state", "rule", "doubt", "found_at", "found_run", "decided_at", "decided_by")
    ends = ((links.c.source, links.c.user_id), (links.c.other_source, links.c.other_id))
    found = []
    with store.read() as connection:
        for mine, others in (ends, ends[::-1]):
            query = select(
                *(end.label(name) for end, name in zip(others, ("other_source", "other_id"), strict=True)), *(links.c[k] for k in key)
            )
            rows = connection.execute(query.where(mine[0] == source, mine[1] == user_id))
            found += [{"source": source, "id": user_id, **row._mapping} for row in rows]
    return sorted(found, key=lambda link: (link["other_source"], link["other_id"]))


_ENDS = (ROSTER["user"].alias("one"), ROSTER["user"].alias("other"))
_SCHOOLS = (ROSTER["org"].alias("one_school"), ROSTER["org"].alias("other_school"))


def _whole(names: bool) -> Select[Any]:
    shown = ("status", "roles", "grades", *(NAMES if names else ()))
    columns = [end.c[name].label(f"{end.name}_{name}") for end in _ENDS for name in shown]
    columns += [school.c.name.label(f"{end.name}_school") for end, school in zip(_ENDS, _SCHOOLS, strict=True)]
    of = links.outerjoin(_ENDS[0], and_(_ENDS[0].c.source == links.c.source, _ENDS[0].c.id == links.c.user_id))
    of = of.outerjoin(_ENDS[1], and_(_ENDS[1].c.source == links.c.other_source, _ENDS[1].c.id == links.c.other_id))
    for end, school in zip(_ENDS, _SCHOOLS, strict=True):
        of = of.outerjoin(school, and_(school.c.source == end.c.source, school.c.id == end.c.home_id))
    return select(links, *columns).select_from(of).order_by(*links.primary_key.columns)


def _as_link(row: Any, names: bool) -> dict[str, Any]:
    values = row._mapping

    def user(end: str, source: str, user_id: str) -> dict[str, Any]:
        roles = sorted({role["role"] for role in values[f"{end}_roles"] or []})
        told = {"source": source, "id": user_id, "status": values[f"{end}_status"], "roles": roles}
        told |= {"grades": values[f"{end}_grades"] or [], "school": values[f"{end}_school"]}
        return told | ({name: values[f"{end}_{name}"] for name in NAMES} if names else {})

    return {
        "source": row.source,
        "id": row.user_id,
        "other_source": row.other_source,
        "other_id": row.other_id,
        "state": row.state,
        "rule": row.rule,
        "doubt": row.doubt,
        "found_at": row.found_at,
        "found_run": row.found_run,
        "decided_at": row.decided_at,
        "decided_by": row.decided_by,
        "users": [user("one", row.source, row.user_id), user("other", row.other_source, row.other_id)],
    }
