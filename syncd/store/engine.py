"""The store, whichever database keeps it. What differs between the two stands in `sqlite.py` and `postgresql.py`.

Transactions are begun explicitly: a run reads in transactions of its own and applies in one that writes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError

from syncd.errors import StoreError, SyncdError


class Store(ABC):
    """An open store. name: for messages. Threads may share it; a connection belongs to one thread."""

    def __init__(self, engine: Engine, name: str) -> None:
        self.engine = engine
        self.name = name

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection in a read transaction: one consistent view, whatever is written meanwhile."""
        with self.told(), self._reading() as connection:
            yield connection

    @contextmanager
    def write(self, *, patient: bool = True) -> Iterator[Connection]:
        """A connection in a write transaction, committed at the end, rolled back on an exception. patient: wait for another who writes,
        where only one can; else that raises StoreError."""
        with self.told(), self._ready().execution_options(immediate=True) as connection:
            if not patient:
                self._hurry(connection)
            with connection.begin():
                yield connection

    def session(self) -> Connection:
        """A connection of one's own, for a run and its temporary tables (`syncd/sync/staging.py`). The caller closes it; where something
        went wrong with it, it is invalidated first."""
        with self.told():
            return self.connect()

    @contextmanager
    def told(self) -> Iterator[None]:
        """Say what a database error means for people; the original text may quote data, so it is left out."""
        try:
            yield
        except DatabaseError as problem:
            code, advice = self.explain(problem)
            raise StoreError(f"the store {self.name} could not be used ({code}).", advice=advice) from problem

    def close(self) -> None:
        self.engine.dispose()

    def connect(self) -> Connection:
        """A bare connection, which ends when it is closed."""
        return self.engine.connect()

    def _ready(self) -> Connection:
        """A connection for one transaction."""
        return self.connect()

    def _reading(self) -> Connection:
        return self._ready()

    def _hurry(self, connection: Connection) -> None:
        """Let a connection wait for no other who writes."""

    def take_stock(self) -> None:
        """Let the database count what its tables hold, so that it finds good ways through them: after much has changed."""
        with self.write() as connection:
            self._count(connection)

    def may_pass(self, problem: BaseException) -> bool:
        """Whether a transaction that failed so is worth doing again, whole: others were in its way."""
        return False

    @abstractmethod
    def _count(self, connection: Connection) -> None:
        """Update the planner's statistics."""

    @property
    @abstractmethod
    def beside(self) -> Path:
        """The path whose name, with an ending, names the files that belong to the store."""

    @abstractmethod
    def explain(self, problem: DatabaseError) -> tuple[str, str]:
        """(the database's code, what to do about it) of an error."""

    @abstractmethod
    def locked(self, what: str, busy: Callable[[str], SyncdError]) -> AbstractContextManager[None]:
        """Hold a named lock that the system gives back at the instant its holder dies. Raises busy(the holder's process) at once."""

    @abstractmethod
    def is_locked(self, what: str) -> bool:
        """Whether anybody holds a named lock at this moment, in any process."""

    @abstractmethod
    def refuse_damaged(self) -> None:
        """Raises StoreError when the store is damaged, without having written anything."""

    @abstractmethod
    def check(self) -> list[str]:
        """What a thorough check finds wrong; empty when the store is sound."""

    @abstractmethod
    def wipe(self) -> bool:
        """Rewrite what is kept without what was deleted, so that no deleted byte is left. False when something kept it from being done."""

    @abstractmethod
    def where(self) -> dict[str, Any]:
        """Where it is kept and how large it is: {place, bytes}."""
