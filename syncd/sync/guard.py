"""Which part of a plan may be applied without asking a person. Pure: a doubt is a hold."""

from dataclasses import dataclass

from syncd.roster.kinds import KINDS
from syncd.settings.guard import Limit
from syncd.sync.plan import Action, Plan


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a kind's deactivations are held: the rule (`empty`, `max_deactivations`), the numbers it looked at, and the limit."""

    kind: str
    rule: str
    count: int
    of: int
    limit: str | None


def decide(plan: Plan, max_deactivations: Limit, floor: int) -> list[Reason]:
    """The kinds whose deactivations must wait for a person, each with its reason; none means that all may be applied.

    A kind of which nothing came although we hold some is a fault of the source until a person says otherwise, however few they are
    (design 2, rule 1). Up to `floor` deactivations of a kind are a normal day in a small school and pass the percentage.
    """
    reasons = []
    for kind in KINDS:
        count, of = plan.count(kind, Action.DEACTIVATE), plan.active.get(kind, 0)
        if not count:
            continue
        if count == of and not plan.count(kind, Action.CREATE) and not plan.count(kind, Action.REACTIVATE):
            reasons.append(Reason(kind, "empty", count, of, None))
        elif count > (floor if max_deactivations.percent else 0) and not max_deactivations.allows(count, of):
            reasons.append(Reason(kind, "max_deactivations", count, of, str(max_deactivations)))
    return reasons
