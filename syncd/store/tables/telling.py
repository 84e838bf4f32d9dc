"""What people and programs are told. Of this store alone, but for what is so of the sources."""

from sqlalchemy import Column, Index, Integer, Table, Text, literal_column

from syncd.store.columns import UtcTime
from syncd.store.tables.base import metadata

# What people are to know of a source, while it is so: since when, and when they were told. rule: which of those in syncd/notices/rules.py;
# about: what of it, where a source can have several. amount: how much it was when it was told. over_at: when it ended, until that is told.
notices = Table(
    "notices",
    metadata,
    Column("source", Text, primary_key=True),
    Column("rule", Text, primary_key=True),
    Column("about", Text, primary_key=True),
    Column("since", UtcTime, nullable=False),
    Column("amount", Integer, nullable=False),
    Column("told_at", UtcTime),
    Column("reminded_at", UtcTime),
    Column("over_at", UtcTime),
)

# Whom something is sent to: webhooks by their names, people by the places of their addresses. since: when it was first known. failures: how
# many times in a row it did not take what was sent. next_at: nothing is sent to it before, since it failed often or asked for time.
targets = Table(
    "targets",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("since", UtcTime, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("next_at", UtcTime),
)

# What is to be sent, and what was. source: what it is about; of one source nothing overtakes what is older. ("" where it is about several.)
# message: what the receiver knows it by, however often it comes. body: as it is sent; kept until it has arrived. since: from when on it was
# tried; state: waiting, sent or dead. status: of the last answer, if there was one.
deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("source", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("about", Text, nullable=False),
    Column("body", Text),
    Column("since", UtcTime, nullable=False),
    Column("state", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("next_at", UtcTime, nullable=False),
    Column("status", Integer),
    sqlite_autoincrement=True,
)
WAITING = deliveries.c.state == literal_column("'waiting'")
Index("ix_deliveries_waiting", deliveries.c.source, deliveries.c.id, sqlite_where=WAITING, postgresql_where=WAITING)

# When a daemon last looked after something, by what it is.
looks = Table(
    "looks",
    metadata,
    Column("what", Text, primary_key=True),
    Column("at", UtcTime, nullable=False),
)
