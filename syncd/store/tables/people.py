"""Beside the roster: who is whose part, who is the same person, whose password is kept, and who was purged."""

from sqlalchemy import Column, ColumnElement, Index, Integer, LargeBinary, Table, Text, and_

from syncd.store.columns import JsonText, UtcTime
from syncd.store.tables.base import metadata
from syncd.store.tables.roster import ROSTER

# What one document states of a user whom another one describes (syncd/roster/user.py).
user_parts = Table(
    "user_parts",
    metadata,
    Column("source", Text, primary_key=True),
    Column("resource", Text, primary_key=True),
    Column("document_id", Text, primary_key=True),
    Column("user_id", Text, primary_key=True),
    Column("guardian_id", Text, primary_key=True),  # "" when the part is not about a guardian: NULL can not stand in a key
    Column("birth_date", Text),
    Column("gender", Text),
    Column("demographics", JsonText),
)

# The same person in two sources: one row a pair, the source whose name sorts first standing first. state: linked, proposed or refused.
# doubt: why a proposed one waits for a person. found_run: of the first of the two sources that noticed; None when a person did.
# decided_at, decided_by: the person who accepted or refused; from then on no sync touches the row.
links = Table(
    "links",
    metadata,
    Column("source", Text, primary_key=True),
    Column("user_id", Text, primary_key=True),
    Column("other_source", Text, primary_key=True),
    Column("other_id", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("doubt", Text),
    Column("found_at", UtcTime, nullable=False),
    Column("found_run", Integer),
    Column("decided_at", UtcTime),
    Column("decided_by", Text),
    Index(None, "other_source", "other_id"),
    sqlite_with_rowid=False,
)

# Argon2id hashes of people's passwords, of sources that ask to keep them; a row counts while its run does (syncd/store/passwords.py).
passwords = Table(
    "passwords",
    metadata,
    Column("source", Text, primary_key=True),
    Column("user_id", Text, primary_key=True),
    Column("run", Integer, primary_key=True),
    Column("mark", LargeBinary, nullable=False),
    Column("hash", Text, nullable=False),
    sqlite_with_rowid=False,
)

# Records whose personal data went, as they stood at changed_run: one that a later run changed is back, with what its source sends now.
# A person's earlier ids stand here too, with the run that ended each.
purged = Table(
    "purged",
    metadata,
    Column("source", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("changed_run", Integer, nullable=False),
    Column("purged_at", UtcTime, nullable=False),
)


def purged_as_it_stands(kind: str) -> ColumnElement[bool]:
    """Joins `purged` to the roster's table of a kind: the record is as the purge left it."""
    held = ROSTER[kind].c
    same = (purged.c.source == held.source, purged.c.id == held.id, purged.c.changed_run == held.changed_run)
    return and_(purged.c.kind == kind, *same)


# Each purge that removed something. policy: the days it went by; none when a person was forgotten on request. wiped_at: when the file was
# rewritten without what had been removed.
purges = Table(
    "purges",
    metadata,
    Column("source", Text, primary_key=True),
    Column("at", UtcTime, primary_key=True),
    Column("account", Text, nullable=False),
    Column("policy", JsonText),
    Column("counts", JsonText, nullable=False),
    Column("wiped_at", UtcTime),
)
