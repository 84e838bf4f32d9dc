"""What a person asked for in the console, as data: an order, what became of it, and what a dry run of it would change.

The console and the API show these models; whoever serves the store carries the orders out (`syncd/daemon/orders.py`).
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from syncd.report import Mode
from syncd.roster.scope import Scope


class What(StrEnum):
    """What can be asked for. (To reject what is held takes no daemon: `syncd.sync.run.reject`.)"""

    SYNC = "sync"
    APPROVE = "approve"
    UNDO = "undo"


class OrderState(StrEnum):
    """Where an order stands. Refused: nothing was done, and `error` says why. Cancelled: by a person, before it had begun."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    REFUSED = "refused"
    CANCELLED = "cancelled"


class Options(BaseModel):
    """How it is to be done. mode, anew, scope: of a sync, as `syncd sync` has them; scope: {kind, id} of the one school or user that is
    asked for. run: what is approved or undone; same: {old id: new id} of held users who are the same person; force: undo although later
    runs changed the same records. dry_run: change nothing, and keep a preview."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, use_enum_values=True)

    mode: Mode = Mode.INCREMENTAL
    anew: bool = False
    scope: Scope | None = None
    run: int | None = None
    same: dict[str, str] = {}
    force: bool = False
    dry_run: bool = False


class OrderReport(BaseModel):
    """An order. Times are UTC. asked_by: an account's name. taken_by: the process that does it. run: the run that does it, or did; whether
    that came to a good end is told by its own report. error: why nothing was done, in a sentence."""

    model_config = ConfigDict(use_enum_values=True)

    id: int
    source: str
    what: What
    options: Options
    asked_at: datetime
    asked_by: str
    state: OrderState
    taken_by: str | None = None
    run: int | None = None
    error: str | None = None
    ended_at: datetime | None = None


class Previewed(BaseModel):
    """One change that a dry run would have made: personal data.

    kind: plural. fields: {field: [old, new]}; of a creation, what tells who or what it is, as [None, value]; none of a deactivation. held:
    the rule by which it would wait for a person.
    """

    kind: str
    id: str
    action: str
    fields: dict[str, list[Any]]
    held: str | None = None
