"""What a run did, as data. CLI, API, logs, metrics and notices render this one object and add nothing to it."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from http import HTTPStatus
from threading import Lock

from pydantic import BaseModel, ConfigDict

from syncd.roster.kinds import PLURALS
from syncd.roster.scope import Scope


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
    APPROVE = "approve"
    UNDO = "undo"


class Counts(BaseModel):
    """What became of one kind: records that came (`seen`), what changed, what stayed, what could not be used.

    unchanged: of a full pull, the records that came just as we hold them; of an incremental one, the active records that stayed as they
    are. confirmed: records that were missing from the lists and answered when they were asked for by id.
    """

    seen: int = 0
    created: int = 0
    updated: int = 0
    reactivated: int = 0
    deactivated: int = 0
    unchanged: int = 0
    quarantined: int = 0
    confirmed: int = 0


class Held(BaseModel):
    """A part of a plan that was not applied, and the rule that stopped it. Counts only; the sentence is made where shown.

    kind: plural. count of `of` active records would be changed by `action`; for users, `students` of `students_of` are students.
    org_id: the school that the rule looked at, or else the one with most of them; org_count: how many of them are there.
    """

    kind: str
    action: str
    rule: str
    count: int
    of: int
    limit: str | None = None
    students: int | None = None
    students_of: int | None = None
    org_id: str | None = None
    org_name: str | None = None
    org_count: int | None = None


class RunReport(BaseModel):
    """One run. Times are UTC. `bytes` counts decoded answer bodies, `requests` every request sent, `retries` those of them that repeat
    one that failed; `answers` is {status: how many requests got it}, with "none" for those that got no answer; `files` names those that
    were read.

    scope: the one school or user that was asked for, by this run or by the one that it settles; None: the whole source. account: who asked
    for it, of the console or, on the command line, of the operating system; None: nobody, it was time. doubts: why what is absent was not
    taken for gone. quality: {rule: how many records the source sends wrong}. settles: the run that this one approved or undid; settled_by:
    the run that approved, undid or superseded this one. left_out: changes of an approved or undone run that no longer applied, since the
    roster had moved on. linked, proposed: people that the run found to be the same as in another source, for certain or for a person to
    decide.
    """

    model_config = ConfigDict(use_enum_values=True)

    run: int
    source: str
    mode: Mode
    scope: Scope | None = None
    trigger: Trigger
    state: State
    started_at: datetime
    account: str | None = None
    finished_at: datetime | None = None
    counts: dict[str, Counts] = {}
    requests: int = 0
    bytes: int = 0
    retries: int = 0
    answers: dict[str, int] = {}
    files: list[str] = []
    held: list[Held] = []
    doubts: list[str] = []
    quality: dict[str, int] = {}
    settles: int | None = None
    settled_by: int | None = None
    left_out: int = 0
    linked: int = 0
    proposed: int = 0
    error: str | None = None

    @property
    def changed(self) -> int:
        """How many records the run changed, of all kinds."""
        return sum(of.created + of.updated + of.reactivated + of.deactivated for of in self.counts.values())


def no_counts() -> dict[str, Counts]:
    """A zero for each kind, in the order the kinds depend on each other."""
    return {plural: Counts() for plural in PLURALS}


NO_ANSWER = "none"
_STATUSES = frozenset(status.value for status in HTTPStatus)


@dataclass
class Traffic:
    """What a connector has asked of its source so far, and what was answered; files: the names of those that it read. Several threads may
    count."""

    requests: int = 0
    bytes: int = 0
    retries: int = 0
    answers: dict[str, int] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    _counting: Lock = field(default_factory=Lock, repr=False, compare=False)

    def add(self, *, bytes: int = 0, retries: int = 0) -> None:
        """Count some more."""
        with self._counting:
            self.bytes += bytes
            self.retries += retries

    def asked(self, status: int | None) -> None:
        """Count a request by the status of its answer; None: there came none. A status that nobody knows counts by its first digit: a
        source must not make up words for the tallies."""
        answer = NO_ANSWER if status is None else str(status) if status in _STATUSES else f"{status // 100}xx"
        with self._counting:
            self.requests += 1
            self.answers[answer] = self.answers.get(answer, 0) + 1

    def tell(self, report: RunReport) -> None:
        """Write it all into a run's report."""
        with self._counting:
            report.requests, report.bytes, report.retries, report.answers = self.requests, self.bytes, self.retries, dict(self.answers)
            report.files = list(self.files)
