"""Executes the comparison and writes the plan into the run's `planned` table: (kind, record id, action, what changes, what holds it)."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, insert, or_, select, update

from syncd.roster.kinds import KINDS, PLURAL
from syncd.store import bulk
from syncd.store.columns import canonical
from syncd.store.tables import ROSTER, SCHOOL
from syncd.sync import absent, compare, rekey
from syncd.sync.guard import Reason
from syncd.sync.plan import Action, Plan, Recent, School
from syncd.sync.stage import Staged
from syncd.sync.staging import STAGED, planned

DAY = timedelta(hours=24)
BATCH = 1_000
_COLUMNS = ("kind", "record_id", "action")
COMES = (Action.CREATE, Action.REACTIVATE, Action.REKEY)


def draw_up(connection: Connection, source: str, staged: Staged) -> None:
    """Fill the `planned` table. Deactivations for absence only where the pull proves absence."""
    with connection.begin():
        for kind in KINDS:
            _plan_kind(connection, kind, source, staged)
        if staged.incremental:
            connection.execute(insert(planned).from_select(_COLUMNS, compare.no_longer_stated(source)))


def _plan_kind(connection: Connection, kind: str, source: str, staged: Staged) -> None:
    connection.execute(insert(planned).from_select(_COLUMNS, compare.created(kind, source)))
    # What is read does not stand in what is written meanwhile.
    changed = connection.execute(compare.changed(kind, source), execution_options={"yield_per": BATCH})
    for rows in changed.partitions():
        bulk.load(connection, planned, (*_COLUMNS, "fields"), [_change(kind, row) for row in rows])
    connection.execute(insert(planned).from_select(_COLUMNS, compare.said_gone(kind, source)))
    if staged.proves_absence(kind):
        gone = compare.missing(kind, source, staged.stating(kind))
        connection.execute(insert(planned).from_select((*_COLUMNS, "missing"), gone))


def _change(kind: str, row: Row[Any]) -> tuple[str, str, str, str]:
    """The planned row of an update or a reactivation."""
    action = Action.REACTIVATE if row.status == "inactive" else Action.UPDATE
    difference = compare.difference(kind, row)
    if action is Action.REACTIVATE:
        difference["deactivated_at"] = [row.deactivated_at, None]
    return kind, row.id, action.value, canonical(difference)


def weigh(
    connection: Connection, source: str, at: datetime, unconfirmed: dict[str, int] | None = None, staged: Staged | None = None
) -> Plan:
    """The numbers of the plan. at: now; what went in the 24 hours before it counts too. staged: the pull that the plan comes from."""
    since = at - DAY
    active: dict[str, int] = {}
    seen: dict[str, int] = {}
    kept: dict[str, int] = {}
    recent: dict[str, Recent] = {}
    schools: dict[str, list[School]] = {}
    known = set()
    with connection.begin():
        actions = _actions(connection)
        lately = list(connection.execute(compare.lately(source, since)).scalars())

        def count(query: Any) -> int:
            return int(connection.execute(query).scalar() or 0)

        for kind in KINDS:
            active[kind] = count(compare.active(kind, source))
            seen[kind] = count(compare.seen(kind))
            if staged is not None and staged.knows(kind):
                kept[kind] = absent.count_kept(connection, source, kind, active[kind])
                seen[kind] += kept[kind]
            if connection.execute(compare.known(kind, source)).first():
                known.add(kind)
            planned_now = actions[kind]
            recent[kind] = Recent(
                created=_created(connection, kind, source, lately) if Action.CREATE in planned_now else 0,
                updated=count(compare.updated_by(kind, source, lately)) if Action.UPDATE in planned_now else 0,
                deactivated=count(compare.deactivated_lately(kind, source, since)) if Action.DEACTIVATE in planned_now else 0,
            )
            if kind in SCHOOL and Action.DEACTIVATE in planned_now:
                schools[kind] = _schools(connection, kind, source, since)
        lost = tuple(connection.execute(compare.lost_schools(source)).scalars()) if Action.DEACTIVATE in actions["org"] else ()
        any_undone = connection.execute(compare.taken_back(source).limit(1)).first() is not None
        again = {(kind, action): number for kind, action, number in _about(connection, compare.undone(source))} if any_undone else {}
        doubted = {action: number for _, action, number in _about(connection, rekey.in_doubt())}
        renamed = {action: number for _, action, number in _about(connection, compare.renamed(source))}
        names = sum(number for _, _, number in _about(connection, compare.other_names(source)))
    whole = staged is None or not staged.incremental
    return Plan(
        actions, active, seen, kept, frozenset(known), recent, schools, lost, unconfirmed or {}, again, doubted, renamed, names, whole
    )


def _created(connection: Connection, kind: str, source: str, lately: list[int]) -> int:
    """How many records runs created lately, the first run that brought the kind left out."""
    first = connection.execute(compare.first_brought(kind, source)).scalar()
    later = [run for run in lately if first is not None and run > first]
    return int(connection.execute(compare.created_by(kind, source, later)).scalar_one()) if later else 0


def to_apply(connection: Connection, plan: Plan) -> Plan:
    """The plan without what is held by now."""
    with connection.begin():
        return replace(plan, actions=_actions(connection))


def _about(connection: Connection, meant: ColumnElement[bool]) -> list[tuple[str, Action, int]]:
    """(kind, action, count) of the planned changes that are meant."""
    query = select(planned.c.kind, planned.c.action, func.count()).where(meant).group_by(planned.c.kind, planned.c.action)
    return [(kind, Action(action), number) for kind, action, number in connection.execute(query)]


def _schools(connection: Connection, kind: str, source: str, since: datetime) -> list[School]:
    column = ROSTER[kind].c[SCHOOL[kind]]
    lately = {row[0]: int(row[1]) for row in connection.execute(compare.deactivated_lately(kind, source, since, column))}
    return [School(org_id, held, going, lately.get(org_id, 0)) for org_id, held, going in connection.execute(compare.schools(kind, source))]


def _actions(connection: Connection) -> dict[str, dict[Action, int]]:
    query = select(planned.c.kind, planned.c.action, func.count()).where(planned.c.held.is_(None))
    actions: dict[str, dict[Action, int]] = {kind: {} for kind in PLURAL}
    for kind, action, count in connection.execute(query.group_by(planned.c.kind, planned.c.action)):
        actions[kind][Action(action)] = count
    return actions


def withhold(connection: Connection, source: str, reasons: list[Reason], *, everything: bool) -> list[Reason]:
    """Mark what is held; gives back why, each held change counted once: the reasons, and more for what depends on those changes and, with
    `everything`, for the rest of the plan.

    A new enrollment can not come before its user, and the enrollments of somebody who stays for now stay too.
    """
    with connection.begin():
        counted = [replace(reason, count=_hold(connection, reason.rule, _meant(source, reason))) for reason in reasons]
        if reasons:
            _hold_dependents(connection, source)
        if reasons and everything:
            _hold(connection, "hold-all", planned.c.held.is_(None))
        return [reason for reason in counted if reason.count] + _followed(connection, ("depends", "hold-all"))


def _meant(source: str, reason: Reason) -> Any:
    meant = and_(planned.c.kind == reason.kind, planned.c.action == reason.action.value)
    match reason.rule:
        case "undone":
            return and_(meant, compare.undone(source))
        case "same-person":
            return and_(meant, rekey.in_doubt())
        case "another-person":
            return and_(meant, compare.renamed(source))
        case "other-names":
            return and_(meant, compare.other_names(source))
    if reason.org_id is not None:
        held = ROSTER[reason.kind].c
        school = held.id if reason.kind == "org" else held[SCHOOL[reason.kind]]
        return and_(meant, planned.c.record_id.in_(select(held.id).where(held.source == source, school == reason.org_id)))
    return meant


def _hold(connection: Connection, rule: str, meant: Any) -> int:
    """Mark what is meant and not held yet; how many that are."""
    return connection.execute(update(planned).where(planned.c.held.is_(None), meant).values(held=rule)).rowcount


def _hold_dependents(connection: Connection, source: str) -> None:
    for kind, field, other in (("section", "school_id", "org"), ("enrollment", "section_id", "section"), ("enrollment", "user_id", "user")):
        inner = planned.alias()
        new = select(inner.c.record_id).where(
            inner.c.kind == other, inner.c.held.is_not(None), inner.c.action.in_([action.value for action in COMES])
        )
        staged, held = STAGED[kind].c, ROSTER[kind].c
        coming = select(staged.id).where(staged[field].in_(new))
        _hold(
            connection,
            "depends",
            and_(
                planned.c.kind == kind,
                planned.c.action.in_([Action.CREATE.value, Action.REACTIVATE.value]),
                planned.c.record_id.in_(coming),
            ),
        )
        stays = select(func.coalesce(inner.c.old_id, inner.c.record_id)).where(
            inner.c.kind == other,
            inner.c.held.is_not(None),
            or_(inner.c.action == Action.DEACTIVATE.value, inner.c.action == Action.REKEY.value),
        )
        going = select(held.id).where(held.source == source, held[field].in_(stays))
        _hold(
            connection,
            "depends",
            and_(planned.c.kind == kind, planned.c.action == Action.DEACTIVATE.value, planned.c.record_id.in_(going)),
        )


def _followed(connection: Connection, rules: tuple[str, ...]) -> list[Reason]:
    query = select(planned.c.kind, planned.c.action, planned.c.held, func.count()).where(planned.c.held.in_(rules))
    rows = connection.execute(query.group_by(planned.c.kind, planned.c.action, planned.c.held)).all()
    return [Reason(kind, Action(action), rule, count, count) for kind, action, rule, count in rows]
