"""A source, the store that follows it, and the oracle that watches both: each act is done to the product and said to the oracle, and then
everything that anybody could see must be the same on both sides."""

import datetime as times
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

from sqlalchemy import Connection, select

from syncd.contract.connector import Context
from syncd.contract.document import Presence
from syncd.errors import CanNotUndo, ConfigError
from syncd.report import Mode, RunReport, State, Trigger
from syncd.roster.kinds import PLURAL
from syncd.roster.scope import Scope
from syncd.settings.guard import GuardSettings
from syncd.store import Store, open_store, roster, runs, tables
from syncd.sync import run as sync
from syncd.sync.staging import planned
from tests import stores
from tests.model.oracle import KINDS, Limits, Oracle
from tests.model.plan import Outcome, Row
from tests.model.sis import EPOCH, HONEST, RESOURCE, InMemory, Key, Killed, Mischief, Said, Sis

SOURCE, NEIGHBOUR = "springfield", "shelbyville"

# What is not one of the special cases passes; or hardly anything does.
OPEN = Limits((100, None), 100, (100, None), (100, None), 1000)
STRICT = Limits((40, None), 50, (None, 3), (60, None), 0)


def settings_of(limits: Limits) -> GuardSettings:
    """The limits as the configuration file has them."""

    def both(limit: tuple[float | None, int | None]) -> Any:
        percent, count = limit
        return [part for part in (None if percent is None else f"{percent}%", count) if part is not None]

    return GuardSettings(
        max_deactivations=both(limits.deactivations),
        max_deactivations_per_school=f"{limits.per_school}%",
        max_creations=both(limits.creations),
        max_updates=both(limits.updates),
        floor=limits.floor,
        rekey="apply" if limits.rekey else "hold",
        when_held="hold-all" if limits.hold_all else "hold",
    )


class Clock(times.datetime):
    """The time that runs go by; it stands still until it is moved."""

    moment = EPOCH

    @classmethod
    def now(cls, tz: times.tzinfo | None = None) -> times.datetime:
        return cls.moment.astimezone(tz)


class District:
    """One source with its store and its oracle."""

    def __init__(self, limits: Limits = OPEN, *, nested: bool = False, dated: bool = True) -> None:
        self.sis = Sis(nested=nested, dated=dated)
        self.oracle = Oracle(limits)
        self.limits = settings_of(limits)
        self.stating = {kind: "sections" if nested and kind == "enrollment" else RESOURCE[kind] for kind in KINDS}
        self._folder = tempfile.TemporaryDirectory()
        self._clock = mock.patch.object(sync, "datetime", Clock)
        self._clock.start()
        Clock.moment = EPOCH
        self.store = self._open()
        self.snapshots: dict[int, dict[str, Any]] = {}
        # What may be gone though the source has it: a person wanted it so, or the source denied it in the list and did not answer for it.
        self.excused: set[Key] = set()
        self.faithful = False
        self.steady: set[Key] = set()

    def _open(self) -> Store:
        return open_store(stores.url(Path(self._folder.name)))

    def close(self) -> None:
        self.store.close()
        self._clock.stop()
        self._folder.cleanup()

    # ── acts ─────────────────────────────────────────────────────────────────────────────────────────────

    def later(self, hours: float) -> None:
        Clock.moment += times.timedelta(hours=hours)

    def restart(self) -> None:
        self.store.close()
        self.store = self._open()

    def neighbour(self) -> None:
        """Another source brings records under the same ids; nothing that happens here may touch them."""
        order = sync.Order(NEIGHBOUR, lambda context: InMemory(self.sis, HONEST, Said(), context), self.limits)
        report = sync.run(self.store, order, Context(NEIGHBOUR))
        assert report.state == State.APPLIED
        self.neighbours = self._held(NEIGHBOUR)

    def _run(self, mischief: Mischief = HONEST, said: Said | None = None, **options: Any) -> RunReport:
        self.later(1 / 60)
        written = said if said is not None else Said()
        order = sync.Order(SOURCE, lambda context: InMemory(self.sis, mischief, written, context), self.limits, **options)
        return sync.run(self.store, order, Context(SOURCE))

    def pull(self, mode: Mode = Mode.FULL, mischief: Mischief = HONEST) -> RunReport | None:
        """Pull, and compare everything. None when the process died on it."""
        said = Said()
        try:
            report = self._run(mischief, said, mode=mode)
        except Killed:
            self._died()
            return None
        if report.state == State.FAILED:
            assert mischief.breaks_at, report.error
            assert not report.held
            self.oracle.failed(report.run, Clock.moment)
        else:
            outcome = self._judge(said, mischief)
            self._compare(report, outcome, said)
            self._excuse(outcome, mischief)
            self.oracle.apply_pull(report.run, outcome, said, Clock.moment)
            self._compare_with_source(outcome, said, mischief)
        self.check()
        return report

    def part(self, scope: Scope, mischief: Mischief = HONEST) -> RunReport | None:
        """Pull one school or one user, and compare everything. None when the process died on it, or nothing was pulled whole before."""
        said = Said()
        if runs.last_whole(self.store, SOURCE) is None:
            with suppress(ConfigError):
                self._run(mischief, said, scope=scope)
                raise AssertionError("a part was pulled before everything was")
            return None
        try:
            report = self._run(mischief, said, scope=scope)
        except Killed:
            self._died()
            return None
        own = ("org" if scope.kind == "school" else "user"), scope.id
        if report.state == State.FAILED:
            # Nobody knows it; or the source knows nobody else who is asked for, so that it is not believed.
            unknown = own not in self.sis.records and not any(found for (kind, _), found in said.asked.items() if kind == own[0])
            assert mischief.breaks_at or mischief.mute or unknown, report.error
            self.oracle.failed(report.run, Clock.moment)
        else:
            said.incremental = True
            stayed = self.oracle.follow(scope, said, self._answer(mischief), nested=self.sis.nested)
            outcome = replace(self._judge(said, mischief), stayed=stayed)
            self._compare(report, outcome, said)
            self.oracle.apply_pull(report.run, outcome, said, Clock.moment)
            # A pull of changes from where the last one stood brings the rest.
            self.faithful = self.faithful and mischief == HONEST and not outcome.held and not self.oracle.waiting
        self.check()
        return report

    def _judge(self, said: Said, mischief: Mischief) -> Outcome:
        return self.oracle.judge(said, self._answer(mischief), self.stating, Clock.moment)

    def _answer(self, mischief: Mischief) -> Callable[[str, str], Presence]:
        """What the source says when it is asked for one record."""

        def answer(kind: str, record_id: str) -> Presence:
            if mischief.mute:
                return Presence.CANNOT_TELL
            return Presence.FOUND if (kind, record_id) in self.sis.records else Presence.GONE

        return answer

    def killed_before_apply(self, mode: Mode = Mode.FULL) -> None:
        """A run that knows what it would do, and dies."""
        with suppress(Killed):
            self._run(mode=mode, on_plan=_die)
        self._died()

    def killed_before_commit(self, mode: Mode = Mode.FULL) -> None:
        """A run that has written everything, and dies."""
        whole = sync.apply

        def apply(*arguments: Any) -> None:
            whole(*arguments)
            raise Killed

        with suppress(Killed), mock.patch.object(sync, "apply", apply):
            self._run(mode=mode)
        self._died()

    def _died(self) -> None:
        self.restart()
        report = runs.recent(self.store, SOURCE, 1)[0]
        assert report.state == State.FAILED
        self.oracle.failed(report.run, Clock.moment)
        self.check()

    def verify(self) -> bool:
        """A dry run of everything: does it say that the roster equals the source?"""
        said = Said()
        wants: list[Any] = []

        def keep(connection: Connection) -> None:
            with connection.begin():
                wants.extend(connection.execute(select(planned.c.kind, planned.c.record_id, planned.c.action)))

        report = self._run(said=said, dry_run=True, on_plan=keep)
        assert report.state == State.PLANNED
        outcome = self._judge(said, HONEST)
        self._compare(report, outcome, said)
        wanted = {change.key: change.action for change in outcome.applied} | {key: held[0].action for key, held in outcome.held.items()}
        assert {(kind, record_id): action for kind, record_id, action in wants} == wanted
        equal = not wants and not report.doubts
        assert equal == (not wanted)
        self.oracle.failed(report.run, Clock.moment, "planned")
        self.check()
        return equal

    def approve(self, number: int) -> RunReport:
        self._excused_by_person(change for change, _ in self.oracle.runs[number].held.values())
        report = self._run(approves=number, trigger=Trigger.APPROVE)
        assert report.state == State.APPLIED, report.error
        left_out = self.oracle.approve(number, report.run, Clock.moment)
        assert report.left_out == left_out
        self.check()
        return report

    def reject(self, number: int) -> None:
        sync.reject(self.store, SOURCE, number)
        self.oracle.reject(number)
        self.check()

    def undo(self, number: int, *, force: bool = False) -> RunReport | None:
        """None when it was refused, since later runs changed the same records, or applied what it held."""
        conflicts = self.oracle.conflicts(number)
        approved = any((run.trigger, run.settles, run.state) == ("approve", number, "applied") for run in self.oracle.runs.values())
        if (conflicts or approved) and not force:
            with suppress(CanNotUndo):
                self._run(undoes=number, trigger=Trigger.UNDO)
                raise AssertionError(f"run {number} was undone although later runs changed {sorted(conflicts)}, or applied what it held")
            self.check()
            return None
        self._excused_by_person(self.oracle.runs[number].applied)
        report = self._run(undoes=number, trigger=Trigger.UNDO, force=force)
        assert report.state == State.APPLIED, report.error
        before = self.oracle.runs[number].before
        left_out = self.oracle.undo(number, report.run, Clock.moment)
        assert report.left_out == left_out
        if not conflicts:
            for key, row in before.items():
                now = self.oracle.rows.get(key)
                assert row is None or (now is not None and now.active == row.active and now.fields == row.fields)
        self.check()
        return report

    # ── what must be so ──────────────────────────────────────────────────────────────────────────────────

    def _compare(self, report: RunReport, outcome: Outcome, said: Said) -> None:
        """The report of a pull against what the oracle says of it."""
        waits = Counter((PLURAL[change.kind], change.action, rule) for change, rule in outcome.held.values())
        told: Counter[tuple[str, str, str]] = Counter()
        for part in report.held:
            told[part.kind, part.action, part.rule] += part.count
        assert told == waits, f"held {told}, should be {waits}"
        if report.state != State.PLANNED:
            assert report.state == (State.HELD if outcome.held else State.APPLIED)
        for kind in KINDS:
            counts = report.counts[PLURAL[kind]]
            done = [change.action for change in outcome.applied if change.kind == kind]
            kept = [change.action for change, _ in outcome.held.values() if change.kind == kind]
            assert counts.seen == outcome.seen[kind]
            assert counts.created == done.count("create")
            assert counts.updated == done.count("update") + done.count("rekey")
            assert counts.reactivated == done.count("reactivate")
            assert counts.deactivated == done.count("deactivate")
            assert counts.confirmed == outcome.stayed.get(kind, 0)
            before = len(self.oracle.active(kind))
            if said.incremental:
                assert before == counts.unchanged + counts.updated + counts.deactivated
            else:
                assert counts.unchanged == outcome.unchanged[kind]
                came = counts.created + counts.updated + counts.reactivated + counts.unchanged
                assert counts.seen == came + len(kept) - kept.count("deactivate") + outcome.said_gone[kind]

    def _compare_with_source(self, outcome: Outcome, said: Said, mischief: Mischief) -> None:
        """After a full pull the roster is the source, and after a pull of changes, too, if it was before: unless the source said what is
        not so, something waits, or a person acted."""
        honest = mischief in (HONEST, Mischief(forgets=True), Mischief(repeats=mischief.repeats))
        followed = self.faithful or not said.incremental
        self.faithful = honest and followed and not outcome.held and not self.oracle.waiting
        assert not self.faithful or self.equal()

    def _excuse(self, outcome: Outcome, mischief: Mischief) -> None:
        if mischief.mute:
            self.excused |= {change.key for change in outcome.applied if change.action == "deactivate"}

    def _excused_by_person(self, changes: Any) -> None:
        self.faithful = False
        self.excused |= {key for change in changes for key in (change.key, change.row_key)}

    def truth(self) -> dict[Key, dict[str, Any]]:
        return self.sis.records

    def check(self) -> None:
        """Everything that anybody could see, and everything that must hold at any time."""
        held = self._held(SOURCE)
        ours = {key: _as_kept(row) for key, row in self.oracle.rows.items()}
        assert held == ours, _differences(held, ours)
        self._check_runs()
        self._check_log()
        self._check_steady()
        latest = max(self.oracle.runs, default=0)
        if latest and latest not in self.snapshots:
            self.snapshots[latest] = self._everything()
        with self.store.read() as connection:
            assert runs.cursor(connection, SOURCE) == self.oracle.cursor
            waiting = set(connection.execute(select(tables.waiting.c.id).where(tables.waiting.c.source == SOURCE)).scalars())
        assert waiting == set(self.oracle.waiting)

    def _held(self, source: str) -> dict[Key, Any]:
        found = {}
        with self.store.read() as connection:
            for kind in KINDS:
                table = tables.ROSTER[kind]
                for row in connection.execute(select(table).where(table.c.source == source)):
                    values = dict(row._mapping)
                    assert (values["status"] == "inactive") == (values["deactivated_at"] is not None)
                    told = {name: values[name] for name in FIELDS[kind]}
                    found[kind, row.id] = told, row.deactivated_at, row.created_run, row.changed_run, row.document_id
        return found

    def _everything(self) -> dict[str, Any]:
        return {kind: list(roster.records(self.store, kind, SOURCE, status="all")) for kind in KINDS}

    def _check_runs(self) -> None:
        reports = {report.run: report for report in runs.recent(self.store, SOURCE, 1000)}
        assert {number: report.state for number, report in reports.items()} == {
            number: run.state for number, run in self.oracle.runs.items()
        }
        for number, run in self.oracle.runs.items():
            kept = {
                (change["kind"], change["id"]): (change["action"], change["rule"]) for change in runs.held_changes_of(self.store, number)
            }
            assert kept == {key: (change.action, rule) for key, (change, rule) in run.held.items()}

    def _check_log(self) -> None:
        """The change log, replayed from nothing, gives who is active; and says of each run what the oracle says."""
        active: dict[Key, bool] = {}
        table = tables.changes
        with self.store.read() as connection:
            rows = connection.execute(select(table).where(table.c.source == SOURCE).order_by(table.c.run)).all()
        logged: dict[int, dict[Key, str]] = {number: {} for number in self.oracle.runs}
        for row in rows:
            logged[row.run][row.kind, row.record_id] = row.action
            if row.action == "rekey":
                active[row.kind, row.record_id] = active.pop((row.kind, row.fields["id"][0]))
                continue
            assert ((row.kind, row.record_id) in active) == (row.action != "create")
            active[row.kind, row.record_id] = row.action != "deactivate"
        assert active == {key: row.active for key, row in self.oracle.rows.items()}
        for number, run in self.oracle.runs.items():
            assert logged[number] == {change.key: change.action for change in run.applied}

    def _check_steady(self) -> None:
        """Whom the source has had ever since we have them is active, whatever the source said meanwhile."""
        here = {key for key in self.truth() if key[0] == "user"}
        self.steady &= here
        self.excused &= here
        for key in self.steady - self.excused:
            assert key in self.oracle.rows and self.oracle.rows[key].active, f"{key} was never gone and is not active"
        self.steady |= {key for key in here if key in self.oracle.rows and self.oracle.rows[key].active}

    def check_past(self) -> None:
        """The roster as of each run is what it was then; before the first there was nothing; the neighbours' is as ever."""
        for number, then in self.snapshots.items():
            for kind in KINDS:
                assert list(roster.records_as_of(self.store, kind, number, SOURCE, status="all")) == then[kind], (
                    f"{kind} as of run {number}"
                )
        for kind in KINDS:
            assert not list(roster.records_as_of(self.store, kind, 0, SOURCE, status="all"))
        if hasattr(self, "neighbours"):
            assert self._held(NEIGHBOUR) == self.neighbours

    def equal(self) -> bool:
        """Whether the active roster is the source."""
        return {key: row.fields for key, row in self.oracle.rows.items() if row.active} == self.truth()


FIELDS = {
    "org": ("name", "type"),
    "section": ("name", "school_id"),
    "user": ("given_name", "email", "roles", "student_number"),
    "enrollment": ("section_id", "user_id", "school_id", "role"),
}


def _as_kept(row: Row) -> tuple[Any, ...]:
    return row.fields, row.left, row.created_run, row.changed_run, row.document


def _differences(held: dict[Key, Any], ours: dict[Key, Any]) -> str:
    return "; ".join(
        f"{key}: store {held.get(key)}, oracle {ours.get(key)}"
        for key in sorted(held.keys() | ours.keys())
        if held.get(key) != ours.get(key)
    )


def _die(_connection: Connection) -> None:
    raise Killed
