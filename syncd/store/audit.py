"""The audit log: who did what, by which way, and when. It only grows; the database refuses to change or delete a row.

An act is noted in the transaction that does it, by the function that does it: there is no act without its note, and no note without its
act. What shows personal data is noted before it is shown. Ids and counts only, as in the logs: no name, no value, no search text.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy import Connection, insert, select

from syncd.account import Entry, Who
from syncd.store.engine import Store
from syncd.store.tables import audit

# What may stand beside an action. Anything else could be personal, and is refused.
DETAILS = frozenset(
    [
        "anew",
        "count",
        "days",
        "demographics",
        "dry_run",
        "expires_at",
        "force",
        "full",
        "governed",
        "kind",
        "order",
        "other_id",
        "other_source",
        "pairs",
        "role",
        "run",
        "schools",
        "sso",
        "was",
    ]
)
Detail = str | int | bool | datetime | None


def note(
    connection: Connection, who: Who, action: str, *, source: str | None = None, subject: str | None = None, **details: Detail
) -> None:
    """Write one entry, in the caller's transaction: one INSERT, and no question.

    action: as the command line calls it ("approve", "account role"), or a word for what the console does beside that. subject: the number
    of a run, the id of a record or token, the name of an account. details: by names that stand in DETAILS; what is None or False says
    nothing and is left out. Raises ValueError for another name.
    """
    if unknown := details.keys() - DETAILS:
        raise ValueError(f"not among the details that the audit log may hold: {', '.join(sorted(unknown))}")
    told = {name: value for name, value in details.items() if value is not None and value is not False}
    row = {"at": datetime.now(UTC), "account": who.name, "via": str(who.via), "action": action, "source": source, "subject": subject}
    connection.execute(insert(audit).values(**row, details=told or None))


def listed(
    store: Store,
    *,
    after: int | None = None,
    before: int | None = None,
    limit: int | None = None,
    account: str | None = None,
    source: str | None = None,
) -> Iterator[Entry]:
    """The entries, newest first; of one account or about one source, where these are given.

    before: only those with a lower number: the next page. after: only those with a higher one, and the oldest of these first, so that
    whoever collects them misses none between two calls.
    """
    query = select(audit).order_by(audit.c.id if after is not None else audit.c.id.desc()).limit(limit)
    if after is not None:
        query = query.where(audit.c.id > after)
    if before is not None:
        query = query.where(audit.c.id < before)
    if account is not None:
        query = query.where(audit.c.account == account)
    if source is not None:
        query = query.where(audit.c.source == source)
    with store.read() as connection:
        for row in connection.execute(query.execution_options(yield_per=1000)):
            yield Entry(
                id=row.id,
                at=row.at,
                account=row.account,
                via=row.via,
                action=row.action,
                source=row.source,
                subject=row.subject,
                details=row.details or {},
            )
