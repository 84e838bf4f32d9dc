"""Removes personal data that is no longer needed: by a policy that somebody wrote down (`[retention]`), or one person's on request.

A record keeps its id, its status, and its dates and runs; who it was goes, from the roster, the change log, and everything that waits or
is held. When the source sends the record again it comes back as the same row, with what the source sends then. All of a source goes in one
transaction. The bytes are gone from the file once it has been rewritten (`Store.wipe`).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, and_, case, delete, exists, func, literal, or_, select, update

from syncd.account import Who
from syncd.errors import AlreadyRunning, StoreError
from syncd.report import State
from syncd.roster.kinds import KINDS, PLURAL, fields
from syncd.store import audit, jsontext, lease, orders, pages, passwords, sessions, tombstones
from syncd.store.columns import UtcTime
from syncd.store.engine import Store
from syncd.store.tables import (
    ROSTER,
    changes,
    held_changes,
    links,
    purged,
    purged_as_it_stands,
    purges,
    quarantine,
    run_log,
    runs,
    sources,
    user_parts,
    waiting,
)
from syncd.store.tables import orders as asked_for
from syncd.store.upsert import insert

# What of a kind tells of a person. Of a section the title alone: Clever's says whose it is ("Algebra 1 - Krabappel - 3"). Of an enrollment
# all but whose it was: that is how it is found.
PERSONAL: dict[str, tuple[str, ...]] = {
    "section": ("name", "extra"),
    "user": (*fields("user"), "extra", "document_id", "home_id"),
    "enrollment": (*(name for name in fields("enrollment") if name != "user_id"), "extra", "document_id"),
}
# Of a change's values, those that are ids or dates.
_STAYS = ("id", "deactivated_at")
# How many ids are in memory at a time, and how many people are looked for in the tombstones at once: those are read through for each such
# number.
_BATCH = 1_000
_LOOKED_FOR = 2_000


@dataclass(frozen=True, slots=True)
class Purged:
    """What went, or would go, of one source. policy: the days it went by. counts: records by kind; `again` of them, people who had been
    purged before and came back with an older store; and rows by what they are."""

    source: str
    policy: Mapping[str, int]
    counts: dict[str, int]

    @property
    def anything(self) -> bool:
        return any(self.counts.values())


@dataclass(frozen=True, slots=True)
class Proof:
    """One purge of the store. account: who did it. busy: sources of which a run was going on, so that nothing went.
    wiped: whether the file was rewritten without what went; None when there was no need."""

    at: datetime
    account: str
    dry_run: bool
    sources: list[Purged]
    busy: list[str]
    wiped: bool | None


def in_step(store: Store, at: datetime) -> bool:
    """Whether the clock goes on from where the runs left off: one began in the week before yesterday. By a clock that jumped years ahead,
    everything would be old enough to go, and nobody would be there to see it."""
    began = runs.c.started_at.between(at - timedelta(days=8), at - timedelta(days=1))
    with store.read() as connection:
        return connection.execute(select(runs.c.id).where(began).limit(1)).first() is not None


def no_policy(_source: str) -> dict[str, int]:
    """Nothing goes by its age."""
    return {}


def purge(store: Store, policy_of: Callable[[str], Mapping[str, int]], at: datetime, *, by: Who, dry_run: bool = False) -> Proof:
    """Purge each source of the store by its policy ({`inactive_days`: 365, …}; what is not named stays), and again whoever was purged
    before and is back, inactive, out of an older backup.

    policy_of: gives a source's. at: now. A dry run does the same and takes it back. Sessions that are over go, too. Raises StoreError.
    """
    with store.read() as connection:
        names = connection.execute(select(sources.c.name).order_by(sources.c.name)).scalars().all()
    found, busy = [], []
    for source in names:
        policy = policy_of(source)
        seen = _source(store, source, policy, at, by, dry_run=True)
        if seen.anything and not dry_run:
            try:
                seen = _source(store, source, policy, at, by)
            except AlreadyRunning:
                busy.append(source)
                continue
        if seen.anything:
            found.append(seen)
    if not dry_run:
        with store.write() as connection:
            sessions.sweep(connection, at)
    return Proof(at, by.name, dry_run, found, busy, None if dry_run else _wipe(store, at))


def forget(store: Store, source: str, user_id: str, at: datetime, *, by: Who, force: bool = False, dry_run: bool = False) -> Proof:
    """Purge one user now, with all enrollments. force: also one who is active.

    Raises StoreError when there is no such user or it is active, and AlreadyRunning.
    """
    user = ROSTER["user"].c
    with store.read() as connection:
        status = connection.execute(select(user.status).where(user.source == source, user.id == user_id)).scalar_one_or_none()
    if status is None:
        raise StoreError(f"{source} has no user {user_id}.", advice="`syncd roster users --search` finds ids.")
    if status == "active" and not force:
        raise StoreError(
            f"{source}: user {user_id} is active: the source still sends this person, and the next full pull would bring everything back.",
            advice="Have them taken out of the source first; or use --force.",
        )
    gone = _source(store, source, {}, at, by, asked=user_id, dry_run=dry_run)
    return Proof(at, by.name, dry_run, [gone], [], None if dry_run else _wipe(store, at))


def _wipe(store: Store, at: datetime) -> bool | None:
    """Rewrite the file if anything was removed since it was last done; also what a purge that was killed left behind."""
    due = purges.c.wiped_at.is_(None)
    with store.read() as connection:
        if connection.execute(select(purges.c.at).where(due).limit(1)).first() is None:
            return None
    if not store.wipe():
        return False
    with store.write() as connection:
        connection.execute(update(purges).where(due).values(wiped_at=at))
    return True


def _source(
    store: Store,
    source: str,
    policy: Mapping[str, int],
    at: datetime,
    by: Who,
    *,
    asked: str | None = None,
    dry_run: bool = False,
) -> Purged:
    if dry_run:
        with store.write() as connection:
            counts = _Purge(connection, source, policy, at).all(asked, tombstones.read(store))
            connection.rollback()
        return Purged(source, policy, counts)
    # While a run goes on, its plan holds old values that it would write into the log after us.
    with lease.hold(store, source), store.write() as connection:
        lease.next_epoch(connection, source)
        stones = tombstones.read(store, create=True)
        counts = _Purge(connection, source, policy, at).all(asked, stones)
        orders.drop_previews(connection, source)
        if asked:
            pages.forget(connection, source)
        row = {"source": source, "at": at, "account": by.name, "policy": None if asked else dict(policy), "counts": counts}
        connection.execute(purges.insert(), row)
        audit.note(connection, by, "db forget" if asked else "db purge", source=source, subject=asked)
        # Before the commit: a tombstone of somebody who is still there is made true by the next purge; the other way round nobody would
        # know.
        stones.add(_marks(connection, stones, source, "user", at), at)
    return Purged(source, policy, counts)


def marks(store: Store, source: str, at: datetime) -> dict[str, Iterator[str]]:
    """By kind, the ids of the records of a source that were purged at a time, under the tombstones' key: read from the store when they are
    asked for. Raises StoreError."""
    stones = tombstones.read(store)

    def of(kind: str) -> Iterator[str]:
        with store.read() as connection:
            yield from _marks(connection, stones, source, kind, at)

    return {PLURAL[kind]: of(kind) for kind in PERSONAL}


def _marks(connection: Connection, stones: tombstones.Tombstones, source: str, kind: str, at: datetime) -> Iterator[str]:
    fresh = select(purged.c.id).where(purged.c.source == source, purged.c.kind == kind, purged.c.purged_at == at).order_by(purged.c.id)
    for record_id in connection.execute(fresh.execution_options(yield_per=_BATCH)).scalars():
        yield stones.mark(source, kind, record_id)


def _is_purged(kind: str) -> ColumnElement[bool]:
    return exists(select(purged.c.id).where(purged_as_it_stands(kind)))


def history_of(store: Store) -> list[dict[str, Any]]:
    """The purges that removed something, newest first."""
    with store.read() as connection:
        rows = connection.execute(select(purges).order_by(purges.c.at.desc(), purges.c.source)).all()
    return [dict(row._mapping) for row in rows]


class _Purge:
    """One source's purge, in the caller's transaction: first the records that are meant are noted in `purged` with this purge's time, then
    everything about those goes."""

    def __init__(self, connection: Connection, source: str, policy: Mapping[str, int], at: datetime) -> None:
        self._connection, self._source, self._at = connection, source, at
        self._before = {name: at - timedelta(days=days) for name, days in policy.items()}

    def all(self, asked: str | None, stones: tombstones.Tombstones) -> dict[str, int]:
        """Remove what is due, and asked, a user's id; the counts of what went."""
        counts = {PLURAL[kind]: 0 for kind in PERSONAL}
        counts["again"] = counts["users"] = self._note_back(stones)
        for kind in PERSONAL:
            counts[PLURAL[kind]] += self._note_aged(kind)
        if asked:
            counts["users"] += self._note("user", ROSTER["user"].c.id == asked)
        self._count()
        self._note_earlier_ids()
        enrollment = ROSTER["enrollment"].c
        theirs = enrollment.user_id.in_(self._people())
        counts["enrollments"] += self._note("enrollment", theirs if asked else and_(theirs, enrollment.status == "inactive"))
        self._count()
        for kind in PERSONAL:
            self._clear(kind)
        counts["changes"] = sum(self._silence(kind) for kind in PERSONAL) + self._silence_old()
        counts["parts"] = self._parts()
        counts["waiting"] = self._waiting()
        counts["links"] = self._links()
        counts["held"] = sum(self._held(kind) for kind in PERSONAL) + self._held_long()
        counts["passwords"] = passwords.forget(self._connection, self._source, self._people(), self._old_runs())
        counts["quarantine"] = self._quarantine()
        counts["log"] = self._log()
        counts["orders"] = self._orders()
        return counts

    def _count(self) -> None:
        """Let PostgreSQL know how many were noted: taking them for a few, it would look through all of them for each change. (SQLite makes
        a list of them first, however many.)"""
        if self._connection.dialect.name == "postgresql":
            self._connection.exec_driver_sql(f"ANALYZE {purged.name}")

    def _run(self, statement: Any) -> int:
        return int(self._connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount)

    # ── which records ──

    def _note(self, kind: str, which: ColumnElement[bool]) -> int:
        """Note these records, but for those that are purged as they stand; how many that are."""
        held = ROSTER[kind].c
        rows = select(literal(self._source), literal(kind), held.id, held.changed_run, literal(self._at, UtcTime()))
        return self._into_purged(rows.where(held.source == self._source, which), lambda new: purged.c.changed_run != new.changed_run)

    def _into_purged(self, rows: Select[Any], differs: Callable[[Any], ColumnElement[bool]]) -> int:
        """Note rows; where there is one already, if the new one differs. How many that are. (To look first whether there is one would cost
        PostgreSQL, which believes `purged` to be as empty as it was, a look through all that was noted for each that is noted.)"""
        new = insert(self._connection, purged).from_select(["source", "kind", "id", "changed_run", "purged_at"], rows)
        key = [purged.c.source, purged.c.kind, purged.c.id]
        later = new.excluded.changed_run
        latest = case((purged.c.changed_run > later, purged.c.changed_run), else_=later)
        values = {"changed_run": latest, "purged_at": self._at}
        return self._run(new.on_conflict_do_update(index_elements=key, set_=values, where=differs(new.excluded)))

    def _note_aged(self, kind: str) -> int:
        if "inactive_days" not in self._before:
            return 0
        held = ROSTER[kind].c
        return self._note(kind, and_(held.status == "inactive", held.deactivated_at <= self._before["inactive_days"]))

    def _note_back(self, stones: tombstones.Tombstones) -> int:
        """The inactive users of whose purge this store does not know, but the tombstones do."""
        if not stones.key:
            return 0
        user = ROSTER["user"].c
        known = and_(purged.c.source == self._source, purged.c.kind == "user", purged.c.id == user.id)
        stands = purged.c.changed_run.is_not_distinct_from(user.changed_run)
        query = select(user.id, purged.c.purged_at).outerjoin(purged, known)
        query = query.where(user.source == self._source, user.status == "inactive", ~stands)
        people = iter(self._connection.execute(query.execution_options(yield_per=_BATCH)))
        count = 0
        while since := {stones.mark(self._source, "user", one.id): (one.id, one.purged_at) for one in islice(people, _LOOKED_FOR)}:
            gone = [(day, *since[mark]) for mark, day in stones.days(since).items()]
            back = [record_id for day, record_id, purged_at in gone if purged_at is None or purged_at.date() < day]
            for start in range(0, len(back), _BATCH):
                count += self._note("user", user.id.in_(back[start : start + _BATCH]))
        return count

    def _note_earlier_ids(self) -> None:
        """A person who got a new id has a history under the old one too, up to the run that gave it; and who got several, under each."""
        earlier = jsontext.at(self._connection, changes.c.fields, "id", 0)
        rows = select(literal(self._source), literal("user"), earlier, func.max(changes.c.run), literal(self._at, UtcTime()))
        rekeys = (changes.c.action == "rekey", earlier.is_not(None), changes.c.run <= self._until("user"))
        rows = rows.where(*self._changes("user"), *rekeys).group_by(earlier)
        while self._into_purged(rows, lambda new: or_(purged.c.purged_at != self._at, purged.c.changed_run < new.changed_run)):
            pass

    def _mine(self, kind: str) -> tuple[ColumnElement[bool], ...]:
        return (purged.c.source == self._source, purged.c.kind == kind, purged.c.purged_at == self._at)

    def _fresh(self, kind: str) -> Select[Any]:
        """The ids that this purge is about."""
        return select(purged.c.id).where(*self._mine(kind))

    def _people(self) -> Select[Any]:
        """The ids of the users that this purge is about, earlier ids that somebody else has now left out."""
        user = ROSTER["user"].c
        other = exists(select(user.id).where(user.source == self._source, user.id == purged.c.id, user.changed_run != purged.c.changed_run))
        return self._fresh("user").where(~other)

    def _changes(self, kind: str) -> tuple[ColumnElement[bool], ...]:
        """The changes of the records that this purge is about."""
        return (changes.c.source == self._source, changes.c.kind == kind, changes.c.record_id.in_(self._fresh(kind)))

    def _until(self, kind: str) -> Any:
        """Of a change, the run up to which what happened to the record goes."""
        return select(purged.c.changed_run).where(*self._mine(kind), purged.c.id == changes.c.record_id).scalar_subquery()

    # ── what goes ──

    def _clear(self, kind: str) -> None:
        """Make the records what a source would state of them with an id alone."""
        held = ROSTER[kind]
        blank: dict[str, Any] = {one.name: [] if one.default == () else None for one in msgspec.structs.fields(KINDS[kind])}
        self._run(
            update(held)
            .where(held.c.source == self._source, held.c.id.in_(self._fresh(kind)), _is_purged(kind))
            .values({name: blank.get(name) if name != "extra" else None for name in PERSONAL[kind]})
        )

    def _silence(self, kind: str) -> int:
        """The changes of the records keep what happened, when, and to which fields."""
        return self._run(
            update(changes)
            .where(*self._changes(kind), changes.c.run <= self._until(kind), changes.c.purged_at.is_(None))
            .values(fields=jsontext.names_only(self._connection, changes.c.fields, _STAYS), purged_at=self._at)
        )

    def _silence_old(self) -> int:
        if "history_days" not in self._before:
            return 0
        return self._run(
            update(changes)
            .where(changes.c.source == self._source, changes.c.run.in_(self._runs_before("history_days")))
            .where(changes.c.purged_at.is_(None), jsontext.has_values(self._connection, changes.c.fields, _STAYS))
            .values(fields=jsontext.names_only(self._connection, changes.c.fields, _STAYS), purged_at=self._at)
        )

    def _old_runs(self) -> Select[Any] | None:
        return self._runs_before("history_days") if "history_days" in self._before else None

    def _runs_before(self, key: str) -> Select[Any]:
        return select(runs.c.id).where(runs.c.source == self._source, runs.c.finished_at <= self._before[key])

    def _parts(self) -> int:
        """One after the other: for people by one or the other PostgreSQL would look through all of them for each row."""
        part, count = user_parts.c, 0
        for named in (part.user_id, part.document_id):
            theirs = and_(part.source == self._source, named.in_(self._people()))
            # Whoever comes back gets these again, though their documents stay what they are.
            pages.unsettle(self._connection, self._source, select(part.resource, part.document_id).where(theirs))
            count += self._run(delete(user_parts).where(theirs))
        return count

    def _waiting(self) -> int:
        theirs = jsontext.at(self._connection, waiting.c.record, "user_id").in_(self._people())
        return self._run(delete(waiting).where(waiting.c.source == self._source, theirs))

    def _links(self) -> int:
        """Who a person was elsewhere, and who decided that."""
        link = links.c
        here = and_(link.source == self._source, link.user_id.in_(self._people()))
        there = and_(link.other_source == self._source, link.other_id.in_(self._people()))
        return self._run(delete(links).where(here)) + self._run(delete(links).where(there))

    def _held(self, kind: str) -> int:
        """What is held of the records keeps its id, and counts as out of date (`sync/hold.py`): an approval leaves it out and says so."""
        held, theirs = held_changes.c, self._people() if kind == "user" else self._fresh(kind)
        return self._run(
            update(held_changes)
            .where(held.source == self._source, held.kind == kind, func.coalesce(held.old_id, held.record_id).in_(theirs))
            .values(fields=None, record=None, seen_run=0)
        )

    def _held_long(self) -> int:
        """Holds that nobody answered are rejected; the next full pull holds again what is still so."""
        if "history_days" not in self._before:
            return 0
        old = self._runs_before("history_days")
        self._run(update(runs).where(runs.c.id.in_(old), runs.c.state == State.HELD.value).values(state=State.REJECTED.value))
        return self._run(delete(held_changes).where(held_changes.c.source == self._source, held_changes.c.run.in_(old)))

    def _quarantine(self) -> int:
        if "quarantine_days" not in self._before:
            return 0
        old = self._runs_before("quarantine_days")
        return self._run(delete(quarantine).where(quarantine.c.source == self._source, quarantine.c.run.in_(old)))

    def _log(self) -> int:
        if "log_days" not in self._before:
            return 0
        return self._run(delete(run_log).where(run_log.c.source == self._source, run_log.c.at <= self._before["log_days"]))

    def _orders(self) -> int:
        if "log_days" not in self._before:
            return 0
        ended = asked_for.c.ended_at <= self._before["log_days"]
        return self._run(delete(asked_for).where(asked_for.c.source == self._source, ended))
