"""Which part of a plan may be applied without asking a person. Pure: a doubt is a hold."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from syncd.roster.kinds import KINDS
from syncd.settings.guard import Limits
from syncd.sync.plan import Action, Plan, Recent


@dataclass(frozen=True, slots=True)
class Reason:
    """Why changes are held: the rule, what it looked at, and the limit.

    Held are all changes of this kind and action; with org_id only those at that school; by the rules `undone`, `same-person`,
    `another-person` and `other-names` only those that the rule is about.
    """

    kind: str
    action: Action
    rule: str
    count: int
    of: int
    limit: str | None = None
    org_id: str | None = None


def decide(plan: Plan, limits: Callable[[str], Limits], *, quiet: bool = False, rekey: bool = False) -> list[Reason]:
    """What must wait for a person, each with its reason; an empty list means that all may be applied.

    limits: of a kind. quiet: whether today is a day on which nobody goes without a person. rekey: whether the source allows new ids for
    the same people. Counts are of the last 24 hours, so that many small runs do not walk around a limit (design 2, rule 10).
    """
    return [reason for kind in KINDS for reason in _decide(plan, kind, limits(kind), quiet, rekey)]


def _decide(plan: Plan, kind: str, limit: Limits, quiet: bool, rekey: bool) -> Iterator[Reason]:
    recent, active = plan.recent.get(kind, Recent()), plan.active.get(kind, 0)
    gone = _deactivations(plan, kind, limit, recent, quiet)
    yield from gone
    if not any(reason.org_id is None for reason in gone):
        yield from _schools(plan, kind, limit)
    created = plan.count(kind, Action.CREATE)
    most = limit.creations if kind in plan.known else None
    if created and most is not None and not most.allows(created + recent.created, active, limit.creation_floor):
        yield Reason(kind, Action.CREATE, "max_creations", created, active, str(most))
    updated = plan.count(kind, Action.UPDATE)
    if updated and not limit.updates.allows(updated + recent.updated, active, limit.floor * 2):
        yield Reason(kind, Action.UPDATE, "max_updates", updated, active, str(limit.updates))
    if (rekeyed := plan.count(kind, Action.REKEY)) and not rekey:
        yield Reason(kind, Action.REKEY, "rekey", rekeyed, active)
    for (of_kind, action), count in plan.undone.items():
        if of_kind == kind:
            yield Reason(kind, action, "undone", count, active)
    if kind == "user":
        for action, count in plan.doubted.items():
            yield Reason(kind, action, "same-person", count, active)
        for action, count in plan.renamed.items():
            yield Reason(kind, action, "another-person", count, active)
        if not limit.deactivations.allows(plan.other_names, active, limit.floor):
            yield Reason(kind, Action.UPDATE, "other-names", plan.other_names, active, str(limit.deactivations))


def _deactivations(plan: Plan, kind: str, limit: Limits, recent: Recent, quiet: bool) -> list[Reason]:
    """At most one reason for all of the kind; the gravest first."""
    count, active = plan.count(kind, Action.DEACTIVATE), plan.active.get(kind, 0)
    if not count:
        return []
    nobody_comes = not plan.count(kind, Action.CREATE) and not plan.count(kind, Action.REACTIVATE) and not plan.count(kind, Action.REKEY)
    if (plan.whole and not plan.seen.get(kind, 0)) or (count == active and nobody_comes):
        return [Reason(kind, Action.DEACTIVATE, "empty", count, active)]
    if quiet:
        return [Reason(kind, Action.DEACTIVATE, "quiet", count, active)]
    if not limit.deactivations.allows(count + recent.deactivated, active + recent.deactivated, limit.floor):
        return [Reason(kind, Action.DEACTIVATE, "max_deactivations", count, active, str(limit.deactivations))]
    if plan.unconfirmed.get(kind):
        return [Reason(kind, Action.DEACTIVATE, "unconfirmed", plan.unconfirmed[kind], active)]
    return []


def _schools(plan: Plan, kind: str, limit: Limits) -> Iterator[Reason]:
    """The schools that would lose too many; a school that is gone altogether takes everything of it along into the hold."""
    for school in plan.schools.get(kind, ()):
        count, of = school.deactivated + school.recent, school.active + school.recent
        gone = school.org_id in plan.lost_schools or (count >= of and count > limit.floor)
        if gone:
            yield Reason(kind, Action.DEACTIVATE, "school-gone", school.deactivated, school.active, org_id=school.org_id)
        elif not limit.per_school.allows(count, of, limit.floor):
            yield Reason(
                kind,
                Action.DEACTIVATE,
                "max_deactivations_per_school",
                school.deactivated,
                school.active,
                str(limit.per_school),
                school.org_id,
            )
    if kind == "org":
        for org_id in plan.lost_schools:
            yield Reason(kind, Action.DEACTIVATE, "school-gone", 1, plan.active.get(kind, 1), org_id=org_id)
