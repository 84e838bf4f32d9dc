"""Look before you deactivate: records that are missing from a list may have slipped between its pages, so the source is asked for them.

What answers is kept, and with it all that its document states (the enrollments of a Clever section); so is who could not be asked for.
When more are missing than may be asked about, some are asked, drawn by lot; if one of those is there after all, the list has holes, and
nobody else is taken for gone on its word.
"""

from dataclasses import dataclass, field

import structlog
from sqlalchemy import Connection, delete, func, select

from syncd.contract.connector import Connector
from syncd.contract.document import Presence
from syncd.errors import SourceUnavailable
from syncd.roster.kinds import KINDS
from syncd.store.tables import ROSTER
from syncd.sync.plan import Action
from syncd.sync.staging import absent, planned

log = structlog.get_logger()


@dataclass
class Confirmed:
    """present, untold: {kind: how many answered; of how many the source could not tell}, all of whom stay. unasked: {kind: how many were
    not asked about, although one that was is there}."""

    present: dict[str, int] = field(default_factory=dict)
    untold: dict[str, int] = field(default_factory=dict)
    unasked: dict[str, int] = field(default_factory=dict)


def confirm(connection: Connection, source: str, connector: Connector, most: int) -> Confirmed:
    """Ask for the missing records of each kind, `most` at most, and take those that are there out of the plan.

    Raises SourceError when the source is not to be reached: then the pull proves nothing.
    """
    found = Confirmed()
    if not connector.abilities.one or not most:
        return found
    for kind in KINDS:
        asked = [resource for resource in connector.resources() if resource.one and resource.kinds[:1] == (kind,)]
        if asked:
            stays = _confirm(connection, connector, kind, [resource.name for resource in asked], most, found)
            _keep(connection, source, kind, stays)
            for other in {other for resource in asked for other in resource.kinds[1:]}:
                _keep(connection, source, other, stays, stated=True)
    return found


def _confirm(connection: Connection, connector: Connector, kind: str, resources: list[str], most: int, found: Confirmed) -> list[str]:
    """The ids of those who stay."""
    with connection.begin():
        if connection.execute(select(absent.c.id).where(absent.c.kind == kind).limit(1)).first() is None:
            return []
    missing = (planned.c.kind == kind, planned.c.action == Action.DEACTIVATE.value, planned.c.missing.is_(True))
    with connection.begin():
        count = connection.execute(select(func.count()).select_from(planned).where(*missing)).scalar_one()
        drawn = connection.execute(select(planned.c.record_id).where(*missing).order_by(func.random()).limit(most)).scalars().all()
    if not drawn:
        return []
    answers, fell_silent = _answers(connector, resources, list(drawn))
    there = [record_id for record_id, answer in answers.items() if answer is Presence.FOUND]
    untold = [record_id for record_id, answer in answers.items() if answer is Presence.CANNOT_TELL]
    if len(untold) == len(drawn) and not fell_silent:
        # A source that never tells can not be asked: then the complete list has to do, or nobody would ever leave.
        log.warning("missing records could not be asked for", kind=kind, count=len(untold))
        return []
    found.present[kind], found.untold[kind] = len(there), len(untold)
    if (there or untold) and count > len(drawn):
        found.unasked[kind] = count - len(drawn)
    return there + untold


def _keep(connection: Connection, source: str, kind: str, ids: list[str], *, stated: bool = False) -> None:
    """Take missing records out of the plan: those with the ids or, with `stated`, those that the documents with the ids state."""
    held = ROSTER[kind].c
    with connection.begin():
        for start in range(0, len(ids), 500):
            some = ids[start : start + 500]
            chosen = planned.c.record_id.in_(select(held.id).where(held.source == source, held.document_id.in_(some)) if stated else some)
            connection.execute(delete(planned).where(planned.c.kind == kind, planned.c.missing.is_(True), chosen))


def _answers(connector: Connector, resources: list[str], drawn: list[str]) -> tuple[dict[str, Presence], bool]:
    """What the source says of each, and whether it fell silent meanwhile: then it can not tell of the rest, who stay for now."""
    answers: dict[str, Presence] = {}
    try:
        for record_id in drawn:
            answers[record_id] = _ask(connector, resources, record_id)
    except SourceUnavailable as problem:
        if problem.status is None:
            raise
        log.warning("missing records could not be asked for", count=len(drawn) - len(answers), error=problem.message)
        return dict.fromkeys(drawn, Presence.CANNOT_TELL) | answers, True
    return answers, False


def _ask(connector: Connector, resources: list[str], record_id: str) -> Presence:
    """Gone only when it is in none of the lists that could hold it (a Clever org is a district or a school)."""
    answers = []
    for resource in resources:
        answers.append(connector.ask(resource, record_id))
        if answers[-1] is Presence.FOUND:
            return Presence.FOUND
    return Presence.CANNOT_TELL if Presence.CANNOT_TELL in answers else Presence.GONE
