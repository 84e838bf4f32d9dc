"""What is to be sent to whom, kept until it has arrived: at least once, whoever dies in between, and in order.

A try is written down as failed before it is made, so that whoever is killed in the middle of it tries again, later. Of one source nothing
overtakes what is older. A target that did not take anything three times in a row is down: it is asked seldom, by one delivery, and when it
is back all that waited goes at once. What could not be delivered within a day is given up; a person may have it tried again.
"""

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, func, insert, or_, select, update

from syncd.errors import StoreError
from syncd.store import upsert
from syncd.store.engine import Store
from syncd.store.tables import WAITING, deliveries, targets


class Channel(StrEnum):
    """What for: notices are for people, reports for programs."""

    NOTICE = "notice"
    WEBHOOK = "webhook"


class Delivered(StrEnum):
    """Where a delivery stands."""

    WAITING = "waiting"
    SENT = "sent"
    DEAD = "dead"


# Seconds between tries, until a day is over (https://www.standardwebhooks.com recommends such a schedule).
WAITS = (10, 60, 300, 900, 1800, 3600, 2 * 3600, 4 * 3600, 6 * 3600, 10 * 3600)
GIVE_UP = timedelta(days=1)
# What only waited behind such, for a target that is down, has longer: it may be back, and nothing is wrong with what was never tried.
GIVE_UP_UNTRIED = timedelta(days=3)
# A target that is down is asked this often at least: when it is back, nobody waits for long.
LONGEST_DOWN = 1800
# Failures in a row that make a target one that is down, rather than a delivery one that it does not like.
DOWN = 3
# How long what came to its end is still told.
SENT_KEPT, DEAD_KEPT = timedelta(days=1), timedelta(days=30)


class Delivery(NamedTuple):
    """One of them. number: for people; message: for the receiver. about: in words. next_at: when it is tried again, or when it came to its
    end. status: of the last answer, None where there was none."""

    number: int
    source: str
    channel: Channel
    target: str
    message: str
    about: str
    body: str | None
    since: datetime
    state: Delivered
    tries: int
    next_at: datetime
    status: int | None


class Outcome(NamedTuple):
    """What came of a try. status: of the answer, if there was one. wait: seconds that it asks for. gone: it wants nothing more. problem:
    what broke, for the log; never with the address."""

    arrived: bool
    status: int | None = None
    wait: float = 0.0
    gone: bool = False
    problem: str | None = None


def unknown(connection: Connection, channel: Channel, names: Collection[str]) -> set[str]:
    """Those of the targets that are new."""
    found = select(targets.c.name).where(targets.c.channel == channel, targets.c.name.in_(names))
    return set(names) - set(connection.execute(found).scalars())


def introduce(connection: Connection, channel: Channel, names: Collection[str], at: datetime) -> dict[str, datetime]:
    """{target: since when it is known}; those that are new, from now on."""
    if names:
        new = upsert.insert(connection, targets).on_conflict_do_nothing()
        connection.execute(new, [{"channel": channel, "name": name, "since": at, "failures": 0} for name in names])
    found = connection.execute(select(targets.c.name, targets.c.since).where(targets.c.channel == channel, targets.c.name.in_(names)))
    return {row.name: row.since for row in found}


def add(connection: Connection, channel: Channel, target: str, *, source: str, about: str, body: str, at: datetime) -> None:
    """Have something sent, behind what waits already."""
    row = {"source": source, "channel": channel, "target": target, "about": about, "body": body, "since": at, "next_at": at, "tries": 0}
    connection.execute(insert(deliveries).values(**row, message=f"msg_{secrets.token_hex(16)}", state=Delivered.WAITING))


def due(connection: Connection, channel: Channel, target: str, at: datetime, limit: int) -> list[Delivery]:
    """What to send to a target now: of each source the oldest that waits, if its time has come. To one that is down, nothing, or one."""
    mine = and_(WAITING, deliveries.c.channel == channel, deliveries.c.target == target)
    oldest = select(func.min(deliveries.c.id)).where(mine).group_by(deliveries.c.source)
    query = select(deliveries).where(deliveries.c.id.in_(oldest)).order_by(deliveries.c.id)
    how = connection.execute(select(targets).where(targets.c.channel == channel, targets.c.name == target)).one_or_none()
    if how is not None and how.next_at is not None and at < how.next_at <= at + GIVE_UP:
        return []
    if how is not None and how.failures >= DOWN:
        return _read(connection, query.limit(1))
    # What is further away was written down by a clock that was wrong: nobody waits that long.
    has_come = or_(deliveries.c.next_at <= at, deliveries.c.next_at > at + GIVE_UP)
    return _read(connection, query.where(has_come).limit(limit))


def begin(connection: Connection, delivery: Delivery, at: datetime) -> bool:
    """Write a try down as failed, before it is made. False: another made it meanwhile, or a person had it tried anew."""
    same = and_(deliveries.c.id == delivery.number, WAITING, deliveries.c.tries == delivery.tries)
    wait = timedelta(seconds=WAITS[min(delivery.tries, len(WAITS) - 1)])
    return connection.execute(update(deliveries).where(same).values(tries=delivery.tries + 1, next_at=at + wait)).rowcount == 1


def end(connection: Connection, delivery: Delivery, outcome: Outcome, at: datetime) -> bool:
    """Write down what came of a try. Gives back whether to leave the target alone for now."""
    target = and_(targets.c.channel == delivery.channel, targets.c.name == delivery.target)
    this, its = deliveries.c.id == delivery.number, and_(WAITING, _of(delivery))
    failures: int = connection.execute(select(targets.c.failures).where(target)).scalar_one()
    if outcome.arrived:
        done = {"state": Delivered.SENT, "body": None, "next_at": at, "status": outcome.status}
        connection.execute(update(deliveries).where(this).values(**done))
        if failures:
            connection.execute(update(targets).where(target).values(failures=0, next_at=None))
        if failures >= DOWN:
            connection.execute(update(deliveries).where(its).values(next_at=at))
        return False
    failures += 1
    wait = min(outcome.wait, LONGEST_DOWN)
    if failures >= DOWN:
        wait = max(wait, min(WAITS[min(failures - DOWN, len(WAITS) - 1)], LONGEST_DOWN))
    next_at = at + timedelta(seconds=wait) if wait else None
    connection.execute(update(targets).where(target).values(failures=failures, next_at=next_at))
    connection.execute(update(deliveries).where(this).values(status=outcome.status))
    dead = update(deliveries).values(state=Delivered.DEAD, next_at=at)
    if outcome.gone or delivery.since <= at - GIVE_UP:
        connection.execute(dead.where(this))
    if failures >= DOWN:
        connection.execute(dead.where(its, deliveries.c.since <= at - GIVE_UP_UNTRIED))
    return next_at is not None


def listed(store: Store, limit: int | None = None, *, number: int | None = None) -> list[Delivery]:
    """What did not arrive first, given up or still waiting, then what did; newest first."""
    last = deliveries.c.state == Delivered.SENT
    query = select(deliveries).order_by(last, deliveries.c.id.desc()).limit(limit)
    if number is not None:
        query = query.where(deliveries.c.id == number)
    with store.read() as connection:
        return _read(connection, query)


def again(store: Store, number: int, at: datetime) -> Delivery:
    """Have a delivery tried anew, from now on for another day. Raises StoreError when there is no such one, or it has arrived."""
    found = listed(store, number=number)
    if not found:
        raise StoreError(f"there is no delivery {number}.", advice="`syncd notify deliveries` lists them.")
    if found[0].state == Delivered.SENT:
        raise StoreError(f"delivery {number} has arrived.", advice="What has arrived is not sent a second time.")
    anew = {"state": Delivered.WAITING, "tries": 0, "since": at, "next_at": at}
    with store.write() as connection:
        connection.execute(update(deliveries).where(deliveries.c.id == number, deliveries.c.body.is_not(None)).values(**anew))
        target = and_(targets.c.channel == found[0].channel, targets.c.name == found[0].target)
        connection.execute(update(targets).where(target).values(failures=0, next_at=None))
    return listed(store, number=number)[0]


def counts(store: Store) -> dict[tuple[Channel, Delivered], int]:
    """How many there are, by channel and state, of those that did not arrive."""
    query = select(deliveries.c.channel, deliveries.c.state, func.count()).where(deliveries.c.state != Delivered.SENT)
    with store.read() as connection:
        rows = connection.execute(query.group_by(deliveries.c.channel, deliveries.c.state)).all()
    return {(Channel(channel), Delivered(state)): count for channel, state, count in rows}


def dead(store: Store, channel: Channel) -> dict[str, int]:
    """{target: how many were given up}."""
    query = select(deliveries.c.target, func.count().label("many")).where(
        deliveries.c.state == Delivered.DEAD, deliveries.c.channel == channel
    )
    with store.read() as connection:
        return {row.target: row.many for row in connection.execute(query.group_by(deliveries.c.target))}


def clear(store: Store, at: datetime) -> int:
    """Remove what came to its end long enough ago, and what waits for a target that nobody knows any more; how many that were."""
    over = [
        and_(deliveries.c.state == Delivered.SENT, deliveries.c.next_at <= at - SENT_KEPT),
        and_(deliveries.c.state == Delivered.DEAD, deliveries.c.next_at <= at - DEAD_KEPT),
        and_(deliveries.c.state == Delivered.WAITING, deliveries.c.since <= at - DEAD_KEPT),
    ]
    with store.write() as connection:
        return connection.execute(delete(deliveries).where(or_(*over))).rowcount


def _of(delivery: Delivery) -> ColumnElement[bool]:
    return and_(deliveries.c.channel == delivery.channel, deliveries.c.target == delivery.target)


def _read(connection: Connection, query: Select[tuple[object, ...]]) -> list[Delivery]:
    return [
        Delivery(
            row.id, row.source, Channel(row.channel), row.target, row.message, row.about, row.body, row.since, Delivered(row.state),
            row.tries, row.next_at, row.status,
        )
        for row in connection.execute(query)
    ]  # fmt: skip
