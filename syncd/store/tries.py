"""How often one may try to sign in. A try is written down before the password is looked at, so that a hundred at once are a hundred.

Tries count by name and by address: who goes through many passwords for one account is slowed down, and so is who goes through many
accounts. The more there were, the longer the wait. But a stranger who tries somebody's name all day shall not lock that person out: where
an account has signed in before, only what is tried there for that account counts.
"""

import hashlib
import ipaddress
import math
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, delete, insert, or_, select, text, update

from syncd.errors import TooManyTries
from syncd.store.tables import tries

DAY, QUICKER = timedelta(days=1), timedelta(minutes=1)
# So many in so long a time.
Limits = tuple[tuple[int, timedelta], ...]
BY_NAME: Limits = ((5, timedelta(minutes=15)), (10, timedelta(hours=1)), (20, DAY))
BY_ADDRESS: Limits = ((20, timedelta(minutes=15)), (40, timedelta(hours=1)), (80, DAY))


def keys(name: str, address: str, addresses: Sequence[str]) -> dict[str, Limits]:
    """By what the tries of a name from an address are counted. addresses: the keys of those from which that account signed in before."""
    there = here(name, address)
    if there in addresses:
        return {there: BY_NAME}
    return {of_name(name): BY_NAME, _key("address", _network(address)): BY_ADDRESS}


def of_client(client_id: str, address: str) -> dict[str, Limits]:
    """By what the wrong tries of a product are counted: apart from people's, who may share its address."""
    return {_key("client", client_id): BY_NAME, _key("client's address", _network(address)): BY_ADDRESS}


def of_person(source: str, user_id: str) -> str:
    """The key of a person of the roster, whoever asks. (An id is no secret, and one person must not be slowed down by another's tries.)"""
    return _key("person", source, user_id, digits=64)


def of_name(name: str) -> str:
    """The key of a name, from wherever it is tried."""
    return _key("name", name)


def here(name: str, address: str) -> str:
    """The key of a name at an address."""
    return _key("here", name, _network(address))


def take(connection: Connection, limits: dict[str, Limits], now: datetime) -> str:
    """Count one more try, and give what `forgive` takes. Raises TooManyTries, and counts nothing, when there were too many."""
    if connection.dialect.name == "postgresql":
        # One after the other: two that look at the same time would both be the last one that may. (SQLite has one writer anyway.)
        connection.execute(text("LOCK TABLE tries IN EXCLUSIVE MODE"))
    connection.execute(delete(tries).where(_over(now)))
    wait = max(_wait(connection, key, allowed, now) for key, allowed in limits.items())
    if wait > timedelta(0):
        raise TooManyTries(math.ceil(wait.total_seconds()))
    number = secrets.token_hex(8)
    connection.execute(insert(tries), [{"key": key, "try": number, "at": now} for key in limits])
    return number


def forgive(connection: Connection, *names: str, number: str = "") -> None:
    """Those under these keys count no more, and neither does this one."""
    connection.execute(delete(tries).where(or_(tries.c["try"] == number, tries.c.key.in_(names))))


def touch(connection: Connection, number: str) -> None:
    """Write one down once more, as it is."""
    connection.execute(update(tries).where(tries.c["try"] == number).values(at=tries.c.at))


def sweep(connection: Connection, now: datetime) -> None:
    """Remove what counts no more."""
    connection.execute(delete(tries).where(_over(now)))


def _over(now: datetime) -> ColumnElement[bool]:
    # What lies far ahead was written by a clock that was wrong; a little ahead, by somebody who came later and was quicker.
    return or_(tries.c.at <= now - DAY, tries.c.at > now + QUICKER)


def _wait(connection: Connection, key: str, limits: Limits, now: datetime) -> timedelta:
    """How long until there is room for one more under each limit."""
    newest_first = select(tries.c.at).where(tries.c.key == key).order_by(tries.c.at.desc()).limit(limits[-1][0])
    times = connection.execute(newest_first).scalars().all()
    waits = [times[count - 1] + span - now for count, span in limits if len(times) >= count]
    return max(waits, default=timedelta(0))


def _network(address: str) -> str:
    """An address as it is counted: of IPv6 the network of one customer, who has all the addresses in it."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
    return str(found)


def _key(*parts: str, digits: int = 6) -> str:
    """So few digits that it tells nobody what was typed: of a thousand million guesses, sixty would be right."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:digits]
