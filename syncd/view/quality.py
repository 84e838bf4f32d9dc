"""What a source sends wrong, counted by rule and listed, out of its latest full pull or any run."""

from typing import Any

from pydantic import BaseModel
from sqlalchemy import func, select

from syncd.report import Mode
from syncd.store import Store
from syncd.store.runs import DONE, PULLS
from syncd.store.tables import quarantine, runs
from syncd.words import REASONS

PAGE = 100


class Wrong(BaseModel):
    """A record that was sent wrong. used: whether the rest of it is used all the same."""

    seq: int
    resource: str
    document_id: str | None
    field: str | None
    rule: str
    reason: str
    used: bool


class Rule(BaseModel):
    """How many records of a list break a rule."""

    rule: str
    reason: str
    resource: str
    count: int


class WrongPage(BaseModel):
    """Some of what is wrong. run: the run that found it, None when there was none yet. after: what to ask the next page with."""

    source: str
    run: int | None
    wrong: list[Wrong]
    after: int | None


def latest(store: Store, source: str) -> int | None:
    """The source's latest full pull that was applied: what it sent wrong is what is wrong now."""
    mine = (runs.c.source == source, runs.c.state.in_(DONE), runs.c.mode == Mode.FULL, runs.c.trigger.in_(PULLS))
    with store.read() as connection:
        return connection.execute(select(func.max(runs.c.id)).where(*mine)).scalar()


def rules(store: Store, source: str, run: int) -> list[Rule]:
    """How much is wrong, by rule and list, most first."""
    query = select(quarantine.c.rule, quarantine.c.resource, func.count().label("count"))
    query = query.where(quarantine.c.source == source, quarantine.c.run == run).group_by(quarantine.c.rule, quarantine.c.resource)
    with store.read() as connection:
        rows = connection.execute(query).all()
    found = [Rule(rule=rule, reason=REASONS.get(rule, rule), resource=resource, count=count) for rule, resource, count in rows]
    return sorted(found, key=lambda rule: (-rule.count, rule.rule, rule.resource))


def page(store: Store, source: str, run: int | None, *, rule: str | None = None, after: int = 0, limit: int = PAGE) -> WrongPage:
    """What is wrong behind `after`; of the latest full pull if no run is named."""
    run = run if run is not None else latest(store, source)
    query = select(quarantine).where(quarantine.c.source == source, quarantine.c.run == run, quarantine.c.seq > after)
    if rule:
        query = query.where(quarantine.c.rule == rule)
    with store.read() as connection:
        rows = connection.execute(query.order_by(quarantine.c.seq).limit(limit + 1)).all()
    return WrongPage(
        source=source, run=run, wrong=[_wrong(row) for row in rows[:limit]], after=rows[limit - 1].seq if len(rows) > limit else None
    )


def _wrong(row: Any) -> Wrong:
    return Wrong(
        seq=row.seq,
        resource=row.resource,
        document_id=row.document_id,
        field=row.field,
        rule=row.rule,
        reason=REASONS.get(row.rule, row.rule),
        used=not row.fatal,
    )
