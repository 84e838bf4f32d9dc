"""The doorbell: what is due is put into a queue, and a worker on some machine hears it. Procrastinate's, in the same PostgreSQL database.

Nothing is kept here. What is due or asked for, who is at it and what is done stands in our own tables (`store/due.py`, `store/orders.py`),
so that the whole queue may be lost: the next tick rings again. A job that ended is deleted, one whose worker died is ended as failed and
never tried again by the queue itself: with a lock for each source that would block the source (its next job waits, the retried one can not
be queued beside it).

The queue's tables stand in a schema of their own, made when it is first needed and named by what the installed Procrastinate has in it.
So two versions never share one: during an upgrade each rings its own workers, and a source is pulled once all the same.
"""

import zlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from procrastinate import App, JobContext, PsycopgConnector
from procrastinate.jobs import Job
from procrastinate.schema import SchemaManager
from procrastinate.sql import queries
from sqlalchemy import Connection, select, text

from syncd.store.postgresql import PostgresStore
from syncd.store.tables import members

PREFIX = "syncd_queue_"
QUICK, LONG, ANSWERS = "quick", "long", "answers"
PULL, ORDER = "pull", "order"
# Of what a person waits for, beside the 0 of what falls due.
FIRST = 1


def name() -> str:
    """The schema of the queue that the installed version uses."""
    return f"{PREFIX}{zlib.crc32(SchemaManager.get_schema().encode()):08x}"


def prepare(connection: Connection) -> str:
    """Make the queue's tables where there are none, and drop those of versions that no member uses any more. Gives its schema's name."""
    schema = name()
    # Another process may be at it, too.
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('syncd queue'))"))
    ours = text("SELECT nspname FROM pg_namespace WHERE starts_with(nspname, :prefix)")
    there, used = set(connection.execute(ours, {"prefix": PREFIX}).scalars()), set(connection.execute(select(members.c.queue)).scalars())
    for old in there - used - {schema}:
        connection.execute(text(f'DROP SCHEMA "{old}" CASCADE'))
    if schema not in there:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
        look_into(connection, schema)
        # Several statements at once, which SQLAlchemy would look through for parameters.
        _driver(connection).execute(SchemaManager.get_schema())
    return schema


def look_into(connection: Connection, schema: str) -> None:
    """For the rest of this transaction, also find the queue's tables and functions, which its own statements do not name in full."""
    connection.execute(text("SELECT set_config('search_path', :schema || ',' || current_setting('search_path'), true)"), {"schema": schema})


def of_order(number: int) -> str:
    """What the job for an order is locked by. (The job for a source is by its name, which has no space.)"""
    return f"order {number}"


class Bell:
    """Rings for sources and orders, in the transaction of the caller, who holds their rows; no two ring for the same at a time."""

    def __init__(self) -> None:
        self._jobs = App(connector=PsycopgConnector()).job_manager

    def rung(self, connection: Connection, locks: Sequence[str]) -> set[str]:
        """Those of the sources' names, or of `of_order`, for which there is a job, waiting or being done."""
        asked = text("SELECT lock FROM procrastinate_jobs WHERE lock = ANY(:locks) AND status IN ('todo', 'doing')")
        return {str(lock) for lock in connection.execute(asked, {"locks": list(locks)}).scalars()}

    def ring(self, connection: Connection, sources: Sequence[tuple[str, bool]]) -> None:
        """Queue (source, whether its pull will be long) each."""
        jobs = [
            Job(queue=LONG if long else QUICK, task_name=PULL, task_kwargs={"source": source}, lock=source, queueing_lock=source)
            for source, long in sources
        ]
        self._defer(connection, jobs)

    def ring_for_orders(self, connection: Connection, orders: Sequence[tuple[int, str]]) -> None:
        """Queue (an order's number, in which queue) each."""
        jobs = [
            Job(
                queue=where,
                task_name=ORDER,
                task_kwargs={"number": number},
                priority=FIRST,
                lock=of_order(number),
                queueing_lock=of_order(number),
            )
            for number, where in orders
        ]
        self._defer(connection, jobs)

    def _defer(self, connection: Connection, jobs: list[Job]) -> None:
        if jobs:
            self._jobs.batch_defer_jobs(jobs, connection=_driver(connection))

    def end(self, connection: Connection, jobs: Sequence[int]) -> int:
        """End jobs whose worker is dead, which lets the next one for their sources begin."""
        there = text("SELECT id FROM procrastinate_jobs WHERE id = ANY(:jobs) AND status = 'doing' FOR UPDATE SKIP LOCKED")
        found = connection.execute(there, {"jobs": list(jobs)}).scalars().all()
        for job in found:
            _driver(connection).execute(queries["finish_job"], {"job_id": job, "status": "failed", "delete_job": True})
        return len(found)

    def taken_by(self, connection: Connection, listeners: Sequence[int]) -> list[int]:
        """The jobs that these have taken and not ended."""
        taken = text("SELECT id FROM procrastinate_jobs WHERE status = 'doing' AND worker_id = ANY(:listeners)")
        return list(connection.execute(taken, {"listeners": list(listeners)}).scalars())

    def left_behind(self, connection: Connection, seconds: float) -> list[int]:
        """Jobs that somebody took so long ago, or longer, and that are nobody's work: their worker died before it began, or after it had
        ended the work and before it could say so."""
        return list(connection.execute(text(_LEFT_BEHIND), {"seconds": seconds}).scalars())


_LEFT_BEHIND = """
SELECT j.id FROM procrastinate_jobs j
WHERE j.status = 'doing'
AND NOT EXISTS (SELECT 1 FROM due WHERE due.job = j.id AND due.member IS NOT NULL)
AND NOT EXISTS (SELECT 1 FROM orders WHERE orders.job = j.id AND orders.ended_at IS NULL)
AND NOT EXISTS (
    SELECT 1 FROM procrastinate_events e WHERE e.job_id = j.id AND e.type = 'started' AND e.at > now() - make_interval(secs => :seconds)
)
"""


def listening(
    store: PostgresStore,
    schema: str,
    member: str,
    pull: Callable[[str, int], Awaitable[None]],
    carry_out: Callable[[int, int], Awaitable[None]],
) -> App:
    """The queue as a worker hears it: `pull(source, job)` or `carry_out(order, job)` is called for each job."""
    _, parts = store.engine.dialect.create_connect_args(store.engine.url)
    # What is left out are SQLAlchemy's own types.
    options = {name: part for name, part in parts.items() if name != "context"}
    options |= {"application_name": member, "options": f"-c timezone=UTC -c search_path={schema}"}
    app = App(connector=PsycopgConnector(kwargs=options, min_size=1, max_size=4))

    @app.task(name=PULL, pass_context=True)
    async def _pull(context: JobContext, source: str) -> None:
        assert context.job.id is not None
        await pull(source, context.job.id)

    @app.task(name=ORDER, pass_context=True)
    async def _carry_out(context: JobContext, number: int) -> None:
        assert context.job.id is not None
        await carry_out(number, context.job.id)

    return app


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection
