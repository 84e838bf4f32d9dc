"""Runs, and what they changed, hold, and could not use."""

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text, literal_column, true

from syncd.store.columns import JsonText, UtcTime
from syncd.store.tables.base import LARGE, metadata

# scope: the one school or user that a run was about (`roster.scope.Scope`); NULL: the whole source. answers: {status: how many requests got
# it}. account: who asked for it; None: nobody, it was time. asked: the order that it carries out. reported: whether it was seen to that
# those are told who want each run's report.
runs = Table(
    "runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("source", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("mode", Text, nullable=False),
    Column("scope", JsonText),
    Column("trigger", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("finished_at", UtcTime),
    Column("counts", JsonText, nullable=False),
    Column("requests", Integer, nullable=False),
    Column("bytes", LARGE, nullable=False),
    Column("retries", Integer, nullable=False, server_default="0"),
    Column("answers", JsonText, nullable=False, server_default="{}"),
    Column("files", JsonText, nullable=False, server_default="[]"),
    Column("held", JsonText, nullable=False),
    Column("doubts", JsonText, nullable=False),
    Column("quality", JsonText, nullable=False, server_default="{}"),
    Column("settles", Integer),
    Column("settled_by", Integer),
    Column("left_out", Integer, nullable=False, server_default="0"),
    Column("linked", Integer, nullable=False, server_default="0"),
    Column("proposed", Integer, nullable=False, server_default="0"),
    Column("error", Text),
    Column("progress", JsonText),
    Column("account", Text),
    Column("asked", Integer),
    Column("reported", Boolean, nullable=False, server_default=true()),
    Column("applied", Integer),
    Index(None, "source", "id"),
    sqlite_autoincrement=True,
)
# applied: its place among the runs that changed something, in the order in which that became so: whoever follows the changes misses none.
# (Numbers of runs say when they began.)
_CHANGED = runs.c.applied.is_not(None)
Index("ix_runs_applied", runs.c.applied, unique=True, sqlite_where=_CHANGED, postgresql_where=_CHANGED)
# Of all runs only those that somebody asked for in the console.
_ASKED = runs.c.asked.is_not(None)
Index("ix_runs_asked", runs.c.source, runs.c.asked, sqlite_where=_ASKED, postgresql_where=_ASKED)
# The few that somebody looks for again and again, among all that ever were.
HELD = runs.c.state == literal_column("'held'")
UNREPORTED = runs.c.reported.is_(False)
for _name, _which in (("held", HELD), ("unreported", UNREPORTED)):
    Index(f"ix_runs_{_name}", runs.c.source, runs.c.id, sqlite_where=_which, postgresql_where=_which)

run_log = Table(
    "run_log",
    metadata,
    Column("source", Text, primary_key=True),
    Column("run", Integer, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("level", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("fields", JsonText, nullable=False),
)

# fields: {field: [old, new]} of an update, reactivation or rekey (there with the id). A creation needs none: its values are the
# record's, less the later changes. So the log of a first pull stays small, and every earlier state can still be told.
# purged_at: when its values went by policy; the names of the fields stay, as {field: null}.
changes = Table(
    "changes",
    metadata,
    Column("source", Text, primary_key=True),
    Column("run", Integer, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("record_id", Text, primary_key=True),
    Column("action", Text, nullable=False),
    Column("fields", JsonText),
    Column("purged_at", UtcTime),
    Index(None, "source", "kind", "record_id"),
    sqlite_with_rowid=False,
)

# What a run would have changed and held instead, until a person answers or a newer pull supersedes it. record: the whole record of a
# creation or rekey. seen_run: the run that had last changed the record when it was held; a later one means that the roster moved on, and 0
# that a later pull brought the record again.
held_changes = Table(
    "held_changes",
    metadata,
    Column("source", Text, primary_key=True),
    Column("run", Integer, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("record_id", Text, primary_key=True),
    Column("action", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("fields", JsonText),
    Column("old_id", Text),
    Column("record", JsonText),
    Column("seen_run", Integer),
)

# Enrollments that name a section or a user who is not there (yet): taken in by the run that brings the missing one.
waiting = Table(
    "waiting",
    metadata,
    Column("source", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("resource", Text, nullable=False),
    Column("document_id", Text),
    Column("record", JsonText, nullable=False),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("source", Text, primary_key=True),
    Column("run", Integer, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("resource", Text, nullable=False),
    Column("document_id", Text),
    Column("rule", Text, nullable=False),
    Column("field", Text),
    Column("fatal", Boolean, nullable=False),
)

# Running totals over all runs that ended, added to in the transaction that ends each: they go on when old runs are gone, and nobody has to
# read those to tell them (syncd/store/tallies.py has the names and labels).
tallies = Table(
    "tallies",
    metadata,
    Column("source", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("label", Text, primary_key=True),
    Column("value", LARGE, nullable=False),
)
