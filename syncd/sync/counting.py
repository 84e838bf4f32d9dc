"""Fills the report: what becomes of each kind, what the source sends wrong, and whom a hold is about. Counts, never names of people."""

from typing import Any

import structlog
from sqlalchemy import Connection, func, insert, select

from syncd.report import Counts, Held, RunReport
from syncd.roster.kinds import KINDS, PLURAL, SINGULAR
from syncd.store.tables import ROSTER, SCHOOL, quarantine
from syncd.sync import compare
from syncd.sync.confirm import Confirmed
from syncd.sync.plan import Action, Plan
from syncd.sync.stage import Staged
from syncd.sync.staging import staged_problems

log = structlog.get_logger()


def count(connection: Connection, plan: Plan, report: RunReport, staged: Staged | None = None, confirmed: Confirmed | None = None) -> None:
    """Fill `counts` and `quality`. staged: when the plan comes from a pull."""
    whole = staged is not None and not staged.incremental
    with connection.begin():
        rules = connection.execute(
            select(staged_problems.c.rule, staged_problems.c.resource, staged_problems.c.fatal, func.count()).group_by(
                staged_problems.c.rule, staged_problems.c.resource, staged_problems.c.fatal
            )
        ).all()
        for kind in KINDS:
            changed = plan.count(kind, Action.UPDATE) + plan.count(kind, Action.REKEY)
            gone = plan.count(kind, Action.DEACTIVATE)
            stays = plan.active[kind] - changed - gone
            if whole:
                stays = plan.kept.get(kind, 0) + connection.execute(compare.unchanged(kind, report.source)).scalar_one()
            report.counts[PLURAL[kind]] = Counts(
                seen=plan.seen[kind] if staged is not None else 0,
                created=plan.count(kind, Action.CREATE),
                updated=changed,
                reactivated=plan.count(kind, Action.REACTIVATE),
                deactivated=gone,
                unchanged=stays,
                quarantined=sum(number for rule, resource, fatal, number in rules if fatal and _counted_as(staged, rule, resource) == kind),
                confirmed=confirmed.present.get(kind, 0) if confirmed else 0,
            )
    report.quality = {}
    for rule, _, _, number in rules:
        report.quality[rule] = report.quality.get(rule, 0) + number
    for kind in KINDS:
        counts: dict[str, Any] = report.counts[PLURAL[kind]].model_dump()
        log.info("compared", kind=kind, counts=counts)


def count_known(connection: Connection, report: RunReport, staged: Staged) -> None:
    """Fill `counts` and `quality` when nothing new came: as they were when it was read."""
    assert staged.known is not None
    worth = staged.known.before.worth
    names = ("resource", "document_id", "rule", "field", "fatal")
    earlier = select(*(quarantine.c[name] for name in names)).where(quarantine.c.source == report.source, quarantine.c.run == worth.run)
    with connection.begin():
        connection.execute(insert(staged_problems).from_select(list(names), earlier))
    staged.active.update(worth.active)
    count(connection, Plan({}, worth.active, worth.active, worth.active), report, staged)


def _counted_as(staged: Staged | None, rule: str, resource: str) -> str | None:
    """The kind that a document of the resource is counted as: its first (a Clever section counts as a section)."""
    if rule == "no-such-record":
        return "enrollment"
    resources = staged.resources if staged else ()
    return next((found.kinds[0] for found in resources if found.name == resource and found.kinds), None)


def describe(connection: Connection, source: str, plan: Plan, held: Held) -> None:
    """Say whom a hold is about: how many are students, and at which school most of them are."""
    kind, action = SINGULAR[held.kind], Action(held.action)
    with connection.begin():
        if kind == "user" and action in (Action.DEACTIVATE, Action.UPDATE, Action.CREATE) and held.org_id is None:
            held.students = int(connection.execute(compare.students(source, going=action, rule=held.rule)).scalar() or 0)
            held.students_of = int(connection.execute(compare.students(source)).scalar() or 0)
        if held.org_id is not None:
            held.org_count = held.count
        elif plan.schools.get(kind) and held.count == plan.count(kind, Action.DEACTIVATE) and action is Action.DEACTIVATE:
            most = max(plan.schools[kind], key=lambda school: school.deactivated)
            held.org_id = most.org_id
            held.org_count = _students_at(connection, source, most.org_id, held.rule) if held.students else most.deactivated
        if held.org_id is not None:
            org = ROSTER["org"].c
            held.org_name = connection.execute(select(org.name).where(org.source == source, org.id == held.org_id)).scalar()


def _students_at(connection: Connection, source: str, org_id: str, rule: str) -> int:
    going = compare.students(source, going=Action.DEACTIVATE, rule=rule).where(ROSTER["user"].c[SCHOOL["user"]] == org_id)
    return int(connection.execute(going).scalar() or 0)
