"""What is known of each source: how it is set up, when it is due, and what came of it before."""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Table, Text

from syncd.store.columns import JsonText, UtcTime
from syncd.store.tables.base import metadata

# epoch: taken by each run when it starts, checked when it applies; a run that was overtaken can not apply. people: whose people they are,
# as configured when links were last looked for. linked_run: links are found of all that runs up to this one changed. known: what the pages
# below are worth (`pages.Worth`); None when there are none. paused_at, paused_by: since when its schedule rests, and by whose word.
sources = Table(
    "sources",
    metadata,
    Column("name", Text, primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("cursor", JsonText),
    Column("people", Text),
    Column("linked_run", Integer, nullable=False, server_default="0"),
    Column("known", JsonText),
    Column("paused_at", UtcTime),
    Column("paused_by", Text),
)
PAUSED = sources.c.paused_at.is_not(None)

# What came in the last full pull that was applied, page by page. digest: the fingerprint of the answer. fingerprints: 16 bytes a document;
# ids: theirs, as a MessagePack list. first, last: the outer ids where all stand in rising order.
pages = Table(
    "pages",
    metadata,
    Column("source", Text, primary_key=True),
    Column("resource", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("count", Integer, nullable=False),
    Column("first", Text),
    Column("last", Text),
    Column("fingerprints", LargeBinary, nullable=False),
    Column("ids", LargeBinary, nullable=False),
    Column("address", LargeBinary),
    Column("etag", Text),
)

# Documents whose bytes say nothing about what the roster holds: what they state was not applied (held, waiting, unreadable), came in a pull
# of changes since, or stands although they did not come.
unsettled = Table(
    "unsettled",
    metadata,
    Column("source", Text, primary_key=True),
    Column("resource", Text, primary_key=True),
    Column("document_id", Text, primary_key=True),
)

# The sources that were set up in the console (`configured.py`). settings: as in the file's table, without secrets; null when it was
# removed. sealed: {key: secret}, under a key that is not in the database. version: of the change, counted over all of them.
configured = Table(
    "configured",
    metadata,
    Column("source", Text, primary_key=True),
    Column("settings", JsonText),
    Column("sealed", JsonText, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("version", Integer, nullable=False),
)

# Which column of a school's spreadsheets is which field (syncd/hand). column: in small letters.
matched = Table(
    "matched",
    metadata,
    Column("source", Text, primary_key=True),
    Column("column", Text, primary_key=True),
    Column("field", Text, nullable=False),
)

# When a source is to be pulled next. schedule: as configured when the times were worked out. A daemon alone only tells it here; several
# machines that share the store go by it, by the database's clock, and by what follows. wanted: the mode of a pull that fell due at
# wanted_at and has not come to its end. member, job: who is at it, for which job of the queue; after_run: the latest run when that one took
# it, so that the runs themselves tell whether it is done.
due = Table(
    "due",
    metadata,
    Column("source", Text, primary_key=True),
    Column("schedule", Text, nullable=False),
    Column("pull_at", UtcTime, nullable=False),
    Column("full_at", UtcTime),
    Column("wanted", Text),
    Column("wanted_at", UtcTime),
    Column("member", Text),
    Column("job", BigInteger),
    Column("after_run", Integer),
)
