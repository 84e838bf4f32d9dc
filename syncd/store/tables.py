"""Every table. `source` stands first in each key and index, and no key crosses a source: a store can be split by source. (What is about
the machines that share a store, `members` and `hosts`, what is told from there, `looks`, `targets` and `deliveries`, and about who works
with it, from `accounts` on, is of that store and stays with it.)

The roster's columns are the fields of the kinds (`syncd.roster`), typed by their annotations, plus what the store keeps about each
record: status, when it was deactivated, which run created it and which changed it last.
"""

import typing
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    and_,
    literal_column,
    true,
)
from sqlalchemy.types import TypeEngine

from syncd.roster.kinds import KINDS, PLURAL, fields
from syncd.store.columns import JsonText, UtcTime

metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"},
)


def column_type(kind: str, field: str) -> TypeEngine[Any]:
    """The column type of a kind's field: text, boolean, or JSON for lists and objects."""
    annotation = typing.get_type_hints(KINDS[kind])[field]
    inner = [part for part in (typing.get_args(annotation) or (annotation,)) if part is not type(None)]
    base = typing.get_origin(annotation)
    if base in (tuple, dict) or any(typing.get_origin(part) in (tuple, dict) for part in inner):
        return JsonText()
    return Boolean() if bool in inner else Text()


def _roster(kind: str) -> Table:
    return Table(
        PLURAL[kind],
        metadata,
        Column("source", Text, primary_key=True),
        Column("id", Text, primary_key=True),
        Column("status", Text, nullable=False),
        Column("deactivated_at", UtcTime),
        *(Column(name, column_type(kind, name)) for name in fields(kind)),
        Column("extra", JsonText),
        Column("document_id", Text),
        *([Column("home_id", Text)] if kind == "user" else []),
        Column("created_run", Integer, nullable=False),
        Column("changed_run", Integer, nullable=False),
    )


# The school that a record counts for, where limits are kept per school. A user's is derived (`User.home_id`).
SCHOOL = {"section": "school_id", "user": "home_id", "enrollment": "school_id"}

ROSTER: dict[str, Table] = {kind: _roster(kind) for kind in KINDS}
for _kind, _table in ROSTER.items():
    # How many are active and who went lately, in all and by school, is asked by each run.
    _by = [_table.c[SCHOOL[_kind]]] if _kind in SCHOOL else []
    Index(f"ix_{_table.name}_counted", _table.c.source, _table.c.status, _table.c.deactivated_at, *_by)
_enrollment = ROSTER["enrollment"].c
Index(None, _enrollment.source, _enrollment.section_id, _enrollment.role, _enrollment.status)
Index(None, _enrollment.source, _enrollment.user_id)

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

# SQLite's integers have room for what PostgreSQL's plain ones have not: a pull of a million users has five thousand million bytes.
_LARGE = BigInteger().with_variant(Integer, "sqlite")

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
    Column("bytes", _LARGE, nullable=False),
    Column("retries", Integer, nullable=False, server_default="0"),
    Column("answers", JsonText, nullable=False, server_default="{}"),
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

# Which column of a school's spreadsheets is which field (syncd/hand). column: in small letters.
matched = Table(
    "matched",
    metadata,
    Column("source", Text, primary_key=True),
    Column("column", Text, primary_key=True),
    Column("field", Text, nullable=False),
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

# Who signs in to the console. password_hash: Argon2id's, with its parameters; None: by single sign-on only. signed_in_at: the last time.
# addresses: where from they signed in lately, as `tries` names it, newest first: [[key, time], …].
accounts = Table(
    "accounts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("password_hash", Text),
    Column("disabled_at", UtcTime),
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("signed_in_at", UtcTime),
    Column("addresses", JsonText),
)

# digest: SHA-256 of what the browser's cookie says, which itself is kept nowhere. seen_at: the last time that somebody came with it, to the
# minute.
sessions = Table(
    "sessions",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("account", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("seen_at", UtcTime, nullable=False),
    Index(None, "account"),
)

# What programs sign in with. digest: SHA-256 of the token. only_source: the one source that it is for; None: all. used_at: to the minute.
tokens = Table(
    "tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("role", Text, nullable=False),
    Column("only_source", Text),
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("revoked_at", UtcTime),
    Column("used_at", UtcTime),
    Index("ix_tokens_digest", "digest", unique=True),
)

# Products that read a source as a OneRoster provider's (`clients.py`). digest: SHA-256 of the secret. schools: the ids of the only orgs
# that it is for; None: all. scopes: what it may be granted, in OneRoster's words. used_at: when it last got a token.
clients = Table(
    "clients",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("source", Text, nullable=False),
    Column("schools", JsonText),
    Column("scopes", JsonText, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("revoked_at", UtcTime),
    Column("used_at", UtcTime),
)

# What these come with, for an hour. digest: SHA-256 of it. scopes: what was granted with it.
grants = Table(
    "grants",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("client", Text, nullable=False),
    Column("scopes", JsonText, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Index(None, "client"),
    Index(None, "expires_at"),
)

# Who did what. via: console, api, cli, oidc or daemon. subject: the number of a run, the id of a record or token, the name of an account.
# details: counts, ids and switches (`audit.DETAILS`). Rows come and stay: the database refuses to change or delete one.
audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("account", Text, nullable=False),
    Column("via", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("source", Text),
    Column("subject", Text),
    Column("details", JsonText),
    Index(None, "account", "id"),
    Index(None, "source", "id"),
    sqlite_autoincrement=True,
)

# Sign-ins that failed, or are being decided, of the last day. key: of a name, an address, or both; a few digits of a digest, which tell
# nobody what was typed (a password in the wrong field, perhaps). try: one sign-in, which may count under several keys.
tries = Table(
    "tries",
    metadata,
    Column("key", Text, primary_key=True),
    Column("try", Text, primary_key=True),
    Column("at", UtcTime, nullable=False),
)

# Running totals over all runs that ended, added to in the transaction that ends each: they go on when old runs are gone, and nobody has to
# read those to tell them (syncd/store/tallies.py has the names and labels).
tallies = Table(
    "tallies",
    metadata,
    Column("source", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("label", Text, primary_key=True),
    Column("value", _LARGE, nullable=False),
)

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
