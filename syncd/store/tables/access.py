"""Who may do what, and who did it. Of this store alone: it stays with it."""

from sqlalchemy import Column, Index, Integer, LargeBinary, Table, Text

from syncd.store.columns import JsonText, UtcTime
from syncd.store.tables.base import metadata

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
