"""The contract: a connector fetches pages of documents and reads documents into records, and decides nothing else.

It never touches the store, never says what a missing record means, and waits only through `syncd.http`.
"""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from syncd.contract.document import Cursor, Document, Finished, Page, Presence, Reading
from syncd.contract.known import Known
from syncd.contract.passwords import Seal
from syncd.errors import Stopped
from syncd.report import Traffic
from syncd.roster.scope import Scope
from syncd.secret import Secret

# What a field may say of itself for the console's form, as `Field(…, json_schema_extra=ADVANCED)`; joined by |.
# It is seldom changed: fold it away.
ADVANCED: dict[str, Any] = {"advanced": True}
# No secret goes anywhere else when it changes. Of every other text and list that is feared: a secret that is kept opens only for the
# addresses that it was entered for.
LEADS_NOWHERE: dict[str, Any] = {"leads": False}


def shown_for(**values: list[str]) -> dict[str, Any]:
    """It is of use only while other fields have one of these values: `shown_for(auth=["oauth2"])`."""
    return {"shown_for": values}


class ConnectorSettings(BaseModel):
    """Base of a connector's own keys in `[sources.NAME]`. Unknown keys are refused; a refusal never repeats the value.

    The console's form is made of the model: give each field a `title` and a `description` in plain words, and what is secret the type
    `Secret`, or it is kept and shown like any other text.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)


class MayKeepPasswords(ConnectorSettings):
    """Of a connector whose files may have passwords in them, which are left out unless this is set."""

    password_key: Secret | None = Field(
        None,
        title="Key for passwords",
        description="Set it to keep the passwords that files have in them, as hashes that nobody can read (`syncd db new-key` makes one). "
        "Without it they are left out.",
        json_schema_extra=ADVANCED,
    )


@dataclass(frozen=True, slots=True)
class Resource:
    """What the source calls its list, and the kinds of record that its documents state (none: parts of users only). one: whether a
    record of its first kind can be asked for by id."""

    name: str
    kinds: tuple[str, ...]
    one: bool = False


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a connector can do beside full pulls: give changes only (`changes`), be asked for one record (`find`), pull one school or one
    user by itself (`part`; scopes: which of `school` and `user`; needs `one`). What is not declared is never asked for. handed: its
    records are handed in (`contract/handed.py`), and it has no schedule.
    """

    incremental: bool = False
    one: bool = False
    scopes: frozenset[str] = frozenset()
    handed: bool = False


Networks = tuple[IPv4Network | IPv6Network, ...]

# Seconds between looks at whether a wait is still worth it.
EVERY = 0.25


class Pace:
    """What hosts ask of all of us together. This one asks nobody: a process of its own waits as its own answers say."""

    def wait(self, host: str) -> float:
        """Seconds to wait before a request to the host."""
        return 0.0

    def told(self, host: str, seconds: float) -> None:
        """Take note that the host asked to be left alone for so long."""


@dataclass
class Context:
    """What the daemon lends a connector: the source's name, whether to stop, a count of the traffic, the pace that others keep too, and
    what is known of the source. ended: nobody waits for what is being fetched any more. networks: internal ones in which addresses may lie
    that are asked; None: it may be asked anywhere. folders: in which files have to lie that are read; None: they may lie anywhere."""

    source: str
    stop: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    traffic: Traffic = field(default_factory=Traffic)
    pace: Pace = field(default_factory=Pace)
    known: Known = field(default_factory=Known)
    networks: Networks | None = None
    folders: tuple[Path, ...] | None = None

    @property
    def over(self) -> bool:
        """Whether to ask nothing more."""
        return self.stop.is_set() or self.ended.is_set()

    def wait(self, seconds: float) -> None:
        """Sleep, but wake when it is over. Raises Stopped."""
        until = time.monotonic() + seconds
        while not self.over and (left := until - time.monotonic()) > 0:
            self.stop.wait(min(left, EVERY))
        if self.over:
            raise Stopped(f"{self.source}: the run was asked to stop.")


class Connector(ABC):
    """One configured source. Made anew for each run. `pull` and `changes` are gone through in a thread of their own, `read` meanwhile in
    another; nothing else runs beside them.

    settings_model: the pydantic model of its keys. abilities: what it can do beside full pulls.
    """

    settings_model: ClassVar[type[ConnectorSettings]]
    abilities: ClassVar[Abilities] = Abilities()

    def __init__(self, settings: Any, context: Context) -> None:
        """settings: an instance of `settings_model`. Opens nothing and asks nothing yet."""
        self.settings = settings
        self.context = context

    @cached_property
    def seal(self) -> Seal | None:
        """What passwords are sealed with; None: the source does not ask to keep them, and they are left out. Raises SourceError for a key
        that is none."""
        key = self.settings.password_key if isinstance(self.settings, MayKeepPasswords) else None
        return Seal(key, self.context.source) if key is not None else None

    @abstractmethod
    def resources(self) -> tuple[Resource, ...]:
        """What a full pull asks for with these settings, in the order it is asked."""

    @abstractmethod
    def pull(self) -> Iterator[Page | Finished | Cursor]:
        """All pages of all resources, lazily, each resource closed by its Finished; a Cursor if changes can be pulled from here on.

        Raises SourceError (or Stopped): then the pull proves nothing. A source that refuses one resource (403) but gives the
        others is a Finished with a doubt, not an empty list.
        """

    def changes(self, cursor: Any) -> Iterator[Page | Cursor]:
        """What changed since a cursor, lazily: whole documents as they are now, those that are gone among them, and the next Cursor.

        The same change may come again; of one document only the latest state comes, or the latest comes last. Raises FullPullNeeded when
        the source can not tell (any more), SourceError as `pull` does. Only called if `abilities.incremental`.
        """
        raise NotImplementedError

    def find(self, resource: str, record_id: str) -> Document | Presence:
        """The document of one record as it is now; GONE when the source says that it has none, or that it is no more; else CANNOT_TELL.

        Raises SourceError when it is not to be reached, SourceUnavailable when it fails (5xx): then it has told nothing, and nobody is
        taken for gone. Only called if `abilities.one` and the resource says `one`.
        """
        raise NotImplementedError

    def ask(self, resource: str, record_id: str) -> Presence:
        """Whether the source still has a record; raises as `find`."""
        found = self.find(resource, record_id)
        return Presence.FOUND if isinstance(found, Document) else found

    def part(self, scope: Scope) -> Iterator[Page | Finished]:
        """What belongs to one school or one user that the source has, lazily, its own record left out: whole documents as they are now. Of
        a school its sections, its users and all enrollments in it, and of its courses and terms what can be had; of a user the
        enrollments. Nothing of other schools is asked for.

        A resource is closed by its Finished when its records in the scope came whole, or with a doubt when they could not be had. Who did
        not come is asked for (`find`) before anybody believes it, and so is whom a document names and nobody knows: a part that lacks
        somebody does no harm. Raises SourceError as `pull` does, also when nothing of the part can be had. Only called if
        `abilities.scopes` names its kind.
        """
        raise NotImplementedError

    def about(self, user_id: str, roles: frozenset[str]) -> Iterator[Page]:
        """Documents beside a user's own that state something of the user: guardians who name the user, demographics; as they can be had.
        roles: the user's. Called for the users of a part of whom that is not known yet."""
        yield from ()

    @abstractmethod
    def read(self, document: Document) -> Reading:
        """What the document says. Pure: no I/O, no clock, never raises for what a source may send."""

    @abstractmethod
    def probe(self) -> str:
        """Sign in and read one page, for `syncd check --connect`: one sentence on what was found (counts and ids only).

        Raises SourceError.
        """

    def settled(self) -> None:
        """What was pulled is in the roster now, or waits for a person: it need not lie any more where it came from. Not called for a dry
        run, nor when the run failed. Raises nothing: what goes wrong is logged."""

    def close(self) -> None:
        """Give back connections. May be called twice."""
