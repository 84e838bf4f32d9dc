"""What is asked for, and the machines that do it."""

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text

from syncd.store.columns import JsonText, UtcTime
from syncd.store.tables.base import metadata

# What a person asked for in the console, for the daemon to do. options: `syncd.order.Options`. taken_by: the process that does it, under a
# name that no other has; job: for which job of the queue. run: the run that did it. error: why nothing was done. ended_at: None while it is
# open.
orders = Table(
    "orders",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("source", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("options", JsonText, nullable=False),
    Column("asked_at", UtcTime, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("taken_by", Text),
    Column("job", BigInteger),
    Column("run", Integer),
    Column("error", Text),
    Column("ended_at", UtcTime),
    Index(None, "source", "id"),
    sqlite_autoincrement=True,
)
# The few that are open are looked for each second.
OPEN = orders.c.ended_at.is_(None)
Index("ix_orders_open", orders.c.source, orders.c.id, sqlite_where=OPEN, postgresql_where=OPEN)

# Some of what an ordered dry run would have changed, with values: personal data, which goes after a day, or when the source is synced.
# held: the rule by which it would wait for a person.
previews = Table(
    "previews",
    metadata,
    Column("source", Text, primary_key=True),
    Column("order", Integer, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("record_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("fields", JsonText, nullable=False),
    Column("held", Text),
)

# The processes that share the store. role: serve or worker. places: how many sources it pulls at once. queue: the schema of the queue that
# it uses; listeners: the numbers under which it takes jobs there. Who has not been seen for long is dead; its row goes, and it may do
# nothing more in that name.
members = Table(
    "members",
    metadata,
    Column("name", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("places", Integer, nullable=False),
    Column("queue", Text, nullable=False),
    Column("listeners", JsonText),
    Column("since", UtcTime, nullable=False),
    Column("seen_at", UtcTime, nullable=False),
)

# Hosts that told one of us to wait: nobody asks them before that time.
hosts = Table(
    "hosts",
    metadata,
    Column("host", Text, primary_key=True),
    Column("not_before", UtcTime, nullable=False),
)
