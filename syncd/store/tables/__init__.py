"""Every table. `source` stands first in each key and index, and no key crosses a source: a store can be split by source. (What is about
the machines that share a store, `members` and `hosts`, what is told from there, `looks`, `targets` and `deliveries`, and about who works
with it, from `accounts` on, is of that store and stays with it.)
"""

from syncd.store.tables.access import accounts, audit, clients, grants, sessions, tokens, tries
from syncd.store.tables.base import metadata
from syncd.store.tables.people import links, passwords, purged, purged_as_it_stands, purges, user_parts
from syncd.store.tables.roster import ROSTER, SCHOOL, column_type
from syncd.store.tables.runs import HELD, UNREPORTED, changes, held_changes, quarantine, run_log, runs, tallies, waiting
from syncd.store.tables.sources import PAUSED, configured, due, matched, pages, sources, unsettled
from syncd.store.tables.telling import WAITING, deliveries, looks, notices, targets
from syncd.store.tables.work import OPEN, hosts, members, orders, previews

__all__ = [
    "HELD",
    "OPEN",
    "PAUSED",
    "ROSTER",
    "SCHOOL",
    "UNREPORTED",
    "WAITING",
    "accounts",
    "audit",
    "changes",
    "clients",
    "column_type",
    "configured",
    "deliveries",
    "due",
    "grants",
    "held_changes",
    "hosts",
    "links",
    "looks",
    "matched",
    "members",
    "metadata",
    "notices",
    "orders",
    "pages",
    "passwords",
    "previews",
    "purged",
    "purged_as_it_stands",
    "purges",
    "quarantine",
    "run_log",
    "runs",
    "sessions",
    "sources",
    "tallies",
    "targets",
    "tokens",
    "tries",
    "unsettled",
    "user_parts",
    "waiting",
]
