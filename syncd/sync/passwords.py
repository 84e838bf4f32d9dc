"""Makes the hashes of the passwords that came, of a source that asks to keep them: before the roster is written, since each takes a
hundredth of a second or two, and only of those that are not known.

They count with the run (`syncd/store/passwords.py`); so does what is made here, in transactions of its own, for a run that is done again.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import structlog
from sqlalchemy import Connection, delete, func, select

from syncd.contract.connector import Connector
from syncd.contract.passwords import Seal, mark
from syncd.password import hashed_persons
from syncd.store import passwords
from syncd.store.engine import Store
from syncd.store.passwords import Made
from syncd.store.tables import passwords as table
from syncd.sync.plan import Action
from syncd.sync.remember import is_purged
from syncd.sync.staging import planned, staged_passwords

log = structlog.get_logger()

# Users whose hashes are made and kept together: some seconds' work.
BATCH = 500
# Each takes 19 MiB while it is made, and a core.
AT_ONCE = 2


def keep(store: Store, connection: Connection, source: str, run: int, seal: Seal, tell: Callable[[int, int], None]) -> None:
    """Keep those that are new or others than before. tell(done, of all) is called before each batch, and may raise Stopped. Raises
    StoreError."""
    with connection.begin():
        total = connection.execute(select(func.count(staged_passwords.c.user_id.distinct()))).scalar_one()
    kept = done = 0
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="passwords") as pool:
        for came in _batches(connection, source) if total else ():
            tell(done, total)
            if rows := _new(store, source, seal, came, pool):
                with store.write() as writer:
                    passwords.put(writer, source, run, rows)
            kept, done = kept + len(rows), done + len(came)
    if kept:
        log.info("passwords kept", count=kept)


def _new(store: Store, source: str, seal: Seal, came: dict[str, str], pool: ThreadPoolExecutor) -> list[Made]:
    """Of some users' sealed passwords, those that are new, hashed; what was hashed before, for whatever run, is not hashed again."""
    with store.read() as reader:
        counts, hashes = passwords.known(reader, source, list(came))
    marks = {user_id: found for user_id, sealed in came.items() if (found := mark(sealed)) is not None}
    new = {(user_id, found): came[user_id] for user_id, found in marks.items() if counts.get(user_id) != found}
    unmade = {key: word for key, sealed in new.items() if key not in hashes and (word := seal.open(key[0], sealed)) is not None}
    hashes |= zip(unmade, pool.map(hashed_persons, unmade.values()), strict=True)
    return [Made(*key, hashes[key]) for key in new if key in hashes]


def settle(connection: Connection, source: str, run: int, connector: Connector | None) -> None:
    """In the transaction that applies, once the roster stands. connector: what was pulled with; None: nothing was."""
    row = table.c
    if connector is not None and connector.seal is None:
        passwords.drop(connection, source)
    elif connector is not None:
        # What a source goes on saying of somebody who was purged is not kept; who came back with this run is no longer purged.
        connection.execute(delete(table).where(row.source == source, row.run == run, is_purged(source, row.user_id)))
    # Who got another id keeps the password, unless one came with it.
    rekeyed = (planned.c.kind == "user", planned.c.action == Action.REKEY.value, planned.c.held.is_(None), planned.c.old_id.is_not(None))
    passwords.copy(connection, source, run, select(planned.c.old_id.label("old_id"), planned.c.record_id.label("new_id")).where(*rekeyed))


def _batches(connection: Connection, source: str) -> Iterator[dict[str, str]]:
    """{user: sealed password}, by users; of one that came twice, the last. Of who came in versions of which none is used, none."""
    row, last = staged_passwords.c, ""
    latest = select(func.max(row.row)).group_by(row.user_id)
    query = select(row.user_id, row.sealed).where(row.row.in_(latest)).order_by(row.user_id).limit(BATCH)
    while True:
        with connection.begin():
            found = connection.execute(query.where(row.user_id > last)).all()
        if not found:
            return
        last = found[-1].user_id
        yield {one.user_id: one.sealed for one in found}
