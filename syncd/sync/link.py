"""The same person in several sources: found after each run, linked, never merged. A link joins two records and changes neither.

Links are looked for in a transaction of their own, when the roster is applied and stands: a fault here can not cost the roster anything,
and of two sources that apply at the same time the later one to look sees both. What a run did not come to look at (it was killed, or
overtaken) the source's next run looks at: `sources.linked_run` says up to which run all is looked at. Only that links follow a record to
its new id belongs to the apply itself.

A certain link whose reason is gone waits for a person as `changed`; a mere proposal without a reason is dropped. What a person decided
no sync touches, and people who are inactive keep their links as they are.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, and_, delete, exists, insert, literal, null, or_, select, update

from syncd.account import Who
from syncd.errors import StoreError, SyncdError
from syncd.report import RunReport
from syncd.store import audit, lease
from syncd.store.engine import Store
from syncd.store.tables import ROSTER, links, runs, sources
from syncd.sync import alike, reach
from syncd.sync.alike import candidates, certain
from syncd.sync.plan import Action
from syncd.sync.reach import Pair
from syncd.sync.staging import planned

LINKED, PROPOSED, REFUSED = "linked", "proposed", "refused"
BY_PERSON = "person"
OPEN = links.c.decided_at.is_(None)


@dataclass(frozen=True, slots=True)
class Person:
    """A user of one source."""

    source: str
    id: str

    def __str__(self) -> str:
        return f"{self.source} {self.id}"


def find(store: Store, report: RunReport, whose: str | None, epoch: int) -> None:
    """Find links between the source's people and those of the other sources that have the same people, and count them in the report.

    whose: the source's setting `people`. Raises Superseded when a later run of the source has started.
    """
    source = report.source
    with store.read() as connection:
        before = connection.execute(select(sources.c.people).where(sources.c.name == source)).scalar()
    if whose is None and before is None:
        return
    now, linked, proposed = datetime.now(UTC), 0, 0
    with store.write() as connection:
        lease.check_epoch(connection, source, epoch)
        before, since = connection.execute(select(sources.c.people, sources.c.linked_run).where(sources.c.name == source)).one()
        others: list[str] = []
        if whose is not None:
            query = select(sources.c.name).where(sources.c.people == whose, sources.c.name != source)
            others = list(connection.execute(query.order_by(sources.c.name)).scalars())
        if whose != before:
            since = 0
            _part(connection, source, others)
        for other in others if _anybody_changed(connection, source, since) else []:
            pair = Pair.of(source, other)
            reach.metadata.create_all(connection, checkfirst=False)
            if since:
                reach.changed(connection, pair, source, since)
            else:
                reach.everybody(connection, pair)
            more = _settle(connection, pair, now, report.run)
            linked, proposed = linked + more[0], proposed + more[1]
            reach.metadata.drop_all(connection, checkfirst=False)
        connection.execute(update(sources).where(sources.c.name == source).values(people=whose, linked_run=report.run))
        connection.execute(update(runs).where(runs.c.id == report.run).values(linked=linked, proposed=proposed))
    report.linked, report.proposed = linked, proposed


def _anybody_changed(connection: Connection, source: str, since: int) -> bool:
    user = ROSTER["user"].c
    return connection.execute(select(user.id).where(user.source == source, user.changed_run > since).limit(1)).first() is not None


def _part(connection: Connection, source: str, others: list[str]) -> None:
    """The source has other people now than was said before: what a person decided stays, the rest was never so."""
    apart = or_(
        and_(links.c.source == source, links.c.other_source.not_in(others)),
        and_(links.c.other_source == source, links.c.source.not_in(others)),
    )
    connection.execute(delete(links).where(apart, OPEN))


def follow(connection: Connection, source: str) -> None:
    """Take the links of a source's people along to the new ids of a run, in the transaction that applies it."""
    moved = and_(planned.c.kind == "user", planned.c.action == Action.REKEY.value, planned.c.held.is_(None))
    if connection.execute(select(planned.c.record_id).where(moved).limit(1)).first() is None:
        return
    for name, end in (("source", "user_id"), ("other_source", "other_id")):
        mine, at = links.c[name] == source, links.c[end]
        # Nobody had a new id until now: a link that bears it is of a record that is no more.
        left, taken = select(planned.c.old_id).where(moved), select(planned.c.record_id).where(moved)
        connection.execute(delete(links).where(mine, at.in_(taken), at.not_in(left)))
        connection.execute(update(links).where(mine, moved, at == planned.c.old_id).values({end: planned.c.record_id}))


def decide(store: Store, one: Person, other: Person, state: str, by: Who) -> None:
    """Link two people, or refuse to, by a person's word; it stands until a person says otherwise, whether or not it was proposed.

    state: `linked` or `refused`. by: who says so. Raises StoreError when one of them is not there, SyncdError when one is linked with
    somebody else of the other's source already.
    """
    first, second = sorted((one, other), key=lambda person: person.source)
    pair = Pair(first.source, second.source)
    now = datetime.now(UTC)
    with store.write() as connection:
        for person in (one, other):
            _check_is_there(connection, person)
        if state == LINKED:
            _check_is_free(connection, pair, first, second)
        this = and_(pair.links(), links.c.user_id == first.id, links.c.other_id == second.id)
        values: dict[str, Any] = {"state": state, "doubt": None, "decided_at": now, "decided_by": by.name}
        if state == LINKED:
            values["rule"] = BY_PERSON
            either = or_(links.c.user_id == first.id, links.c.other_id == second.id)
            connection.execute(delete(links).where(pair.links(), either, ~this, OPEN, links.c.state == PROPOSED))
        if not connection.execute(update(links).where(this).values(values)).rowcount:
            key = {"source": first.source, "user_id": first.id, "other_source": second.source, "other_id": second.id}
            connection.execute(insert(links).values({**key, "rule": BY_PERSON, "found_at": now, **values}))
        reach.metadata.create_all(connection, checkfirst=False)
        reach.these(connection, pair, [(person.source, person.id) for person in (first, second)])
        _settle(connection, pair, now, None)
        action = "links accept" if state == LINKED else "links refuse"
        audit.note(connection, by, action, source=one.source, subject=one.id, other_source=other.source, other_id=other.id)


def _check_is_there(connection: Connection, person: Person) -> None:
    user = ROSTER["user"].c
    if connection.execute(select(user.id).where(user.source == person.source, user.id == person.id)).first() is None:
        raise StoreError(f"{person.source} has no user {person.id}.", advice="`syncd roster users --search` finds ids.")


def _check_is_free(connection: Connection, pair: Pair, first: Person, second: Person) -> None:
    somebody_else = or_(
        and_(links.c.user_id == first.id, links.c.other_id != second.id),
        and_(links.c.user_id != first.id, links.c.other_id == second.id),
    )
    query = select(links).where(pair.links(), links.c.state == LINKED, somebody_else)
    row = connection.execute(query.limit(1)).first()
    if row is not None:
        ends = (row.source, row.user_id, row.other_source, row.other_id)
        raise SyncdError(
            f"{first} and {second} can not be linked: {ends[0]} {ends[1]} is linked with {ends[2]} {ends[3]} already.",
            advice=f"If that is wrong: syncd links refuse {' '.join(ends)}",
        )


def _settle(connection: Connection, pair: Pair, at: datetime, run: int | None) -> tuple[int, int]:
    """Make the links of all who are in the scope what they should be; how many are newly linked, and newly proposed."""
    alike.pair_up(connection, pair)
    mine = and_(alike.in_scope(pair), OPEN)
    is_certain = exists().where(certain.c.user_id == links.c.user_id, certain.c.other_id == links.c.other_id)
    brought_up = exists().where(candidates.c.user_id == links.c.user_id, candidates.c.other_id == links.c.other_id)
    linked, proposed = links.c.state == LINKED, links.c.state == PROPOSED

    def count(statement: Any) -> int:
        return int(connection.execute(statement.execution_options(preserve_rowcount=True)).rowcount)

    moved_on = links.c.doubt == "changed"
    count(delete(links).where(mine, proposed, ~moved_on, ~is_certain, ~brought_up))
    new_proposals = count(update(links).where(mine, linked, ~is_certain).values(state=PROPOSED, doubt="changed"))
    new_links = count(update(links).where(mine, proposed, is_certain).values(state=LINKED, doubt=null()))
    _keep_reasons(connection, mine, moved_on)
    key = {"source": literal(pair.first), "other_source": literal(pair.second), "found_at": literal(at, links.c.found_at.type)}
    key["found_run"] = literal(run, links.c.found_run.type)
    for table, state, doubt in ((certain, LINKED, null()), (candidates, PROPOSED, candidates.c.doubt)):
        known = exists().where(pair.links(), links.c.user_id == table.c.user_id, links.c.other_id == table.c.other_id)
        values = {
            **key,
            "user_id": table.c.user_id,
            "other_id": table.c.other_id,
            "rule": table.c.rule,
            "state": literal(state),
            "doubt": doubt,
        }
        added = count(insert(links).from_select(list(values), select(*values.values()).where(~known)))
        if table is certain:
            new_links += added
        else:
            new_proposals += added
    return new_links, new_proposals


def _keep_reasons(connection: Connection, mine: Any, moved_on: Any) -> None:
    """Write down by which rule each open link stands now, where that is another than before."""
    for table, names in ((certain, ("rule",)), (candidates, ("rule", "doubt"))):
        this = and_(table.c.user_id == links.c.user_id, table.c.other_id == links.c.other_id)
        other = or_(*(links.c[name].is_distinct_from(table.c[name]) for name in names))
        stands = [] if table is certain else [~moved_on]
        connection.execute(update(links).where(mine, this, other, *stands).values({name: table.c[name] for name in names}))
