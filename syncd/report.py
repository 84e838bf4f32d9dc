"""What a run did, as data. CLI, API, logs, metrics and notices render this one object and add nothing to it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from syncd.roster.kinds import PLURALS


class State(StrEnum):
    """Where a run stands (design section 6)."""

    RUNNING = "running"
    PLANNED = "planned"
    HELD = "held"
    APPLIED = "applied"
    FAILED = "failed"
    REJECTED = "rejected"
    UNDONE = "undone"


class Mode(StrEnum):
    FULL = "full"
    INCREMENTAL = "incremental"


class Trigger(StrEnum):
    SCHEDULE = "schedule"
    MANUAL = "manual"


class Counts(BaseModel):
    """What became of one kind: records that came (`seen`), what changed, what stayed, what could not be used."""

    seen: int = 0
    created: int = 0
    updated: int = 0
    reactivated: int = 0
    deactivated: int = 0
    unchanged: int = 0
    quarantined: int = 0


class Held(BaseModel):
    """A part of a plan that was not applied, and the rule that stopped it. Counts only; the sentence is made where shown."""

    kind: str
    action: str
    rule: str
    count: int
    of: int
    limit: str | None = None
    org_id: str | None = None


class RunReport(BaseModel):
    """One run. Times are UTC. `bytes` counts decoded answer bodies, `requests` every request sent, retries included."""

    model_config = ConfigDict(use_enum_values=True)

    run: int
    source: str
    mode: Mode
    trigger: Trigger
    state: State
    started_at: datetime
    finished_at: datetime | None = None
    counts: dict[str, Counts] = {}
    requests: int = 0
    bytes: int = 0
    held: list[Held] = []
    doubts: list[str] = []
    error: str | None = None


def no_counts() -> dict[str, Counts]:
    """A zero for each kind, in the order the kinds depend on each other."""
    return {plural: Counts() for plural in PLURALS}


@dataclass
class Traffic:
    """What a connector has asked of its source so far."""

    requests: int = 0
    bytes: int = 0
    retries: int = 0
