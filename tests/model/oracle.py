"""What the store must hold: the rules of the design (section 2) and the limits of docs/configuration.md, said once more, row by row.

It shares no code with syncd/sync: where the two differ, one of them is wrong.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from syncd.contract.document import Presence
from syncd.roster.scope import Scope
from tests.model.plan import (
    CREATE,
    DEACTIVATE,
    REACTIVATE,
    REKEY,
    UPDATE,
    Change,
    Outcome,
    Row,
    Run,
    backwards,
    difference,
)
from tests.model.sis import RESOURCE, Key, Said, Statement

KINDS = ("org", "section", "user", "enrollment")
SCHOOL = {"section": "school_id", "enrollment": "school_id"}
# What may not be without the other: (kind, the field that names the other, the other's kind).
LEANS_ON = (("section", "school_id", "org"), ("enrollment", "section_id", "section"), ("enrollment", "user_id", "user"))
OUT_OF_DATE = -1
# {kind: (the field that names another record, the other's kind)}.
NAMED = {
    "org": (),
    "section": (("school_id", "org"),),
    "user": (("roles", "org"),),
    "enrollment": (("section_id", "section"), ("user_id", "user")),
}


@dataclass(frozen=True)
class Limits:
    """A regime. (percent, count) of deactivations, creations, updates, where None is no limit; percent of a school's deactivations."""

    deactivations: tuple[float | None, int | None]
    per_school: float
    creations: tuple[float | None, int | None]
    updates: tuple[float | None, int | None]
    floor: int
    rekey: bool = False
    hold_all: bool = False


def allowed(limit: tuple[float | None, int | None], count: int, of: int, floor: int) -> bool:
    """A count is a count; a percentage lets `floor` pass always; of both, the lower counts."""
    percent, most = limit
    if most is not None and count > most:
        return False
    return percent is None or count <= floor or count * 100 <= of * percent


class Oracle:
    """The roster of one source, and everything that happened to it."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.rows: dict[Key, Row] = {}
        self.runs: dict[int, Run] = {}
        self.waiting: dict[str, Statement] = {}
        self.cursor: int | None = None

    def active(self, kind: str) -> dict[str, Row]:
        return {record_id: row for (of, record_id), row in self.rows.items() if of == kind and row.active}

    # ── a part ───────────────────────────────────────────────────────────────────────────────────────────

    def follow(self, scope: Scope, said: Said, answer: Callable[[str, str], Presence], *, nested: bool) -> dict[str, int]:
        """Complete what was said in a pull of a part by whom has to be asked for, and check that nobody else was: who we hold in the part
        and did not come, and whom those who came name and nobody knows. Gives back how many of a kind answered who did not come."""
        own = ("org" if scope.kind == "school" else "user"), scope.id
        there = answer(*own) is Presence.FOUND
        said.statements += said.asked[own] if there else [Statement(*own, {}, True, None)]
        lists = {kind for kind in KINDS if RESOURCE[kind] in said.finished} if there else {"section", "user", "enrollment"}
        missing = {key for key in self._not_come(scope, said, nested) if key[0] in lists and (there or scope.kind == "user")}
        asked, stayed = {own} | missing, {kind: 0 for kind, _ in missing}
        gone = {key for key in asked if answer(*key) is Presence.GONE}
        # Who is asked for only to see whether the source knows anybody is drawn by lot.
        controls = {key for key in said.asked.keys() - asked if key in self.rows and self.rows[key].active}
        assert all(sum(of == kind for of, _ in controls) <= 3 for kind in KINDS)
        assert {kind for kind, _ in controls} <= {kind for kind, _ in gone}
        believed = {key[0] for key in asked | controls if said.asked[key]}
        for kind, record_id in sorted(missing):
            stayed[kind] += answer(kind, record_id) is Presence.FOUND
            said.statements += said.asked[kind, record_id]
            if (kind, record_id) in gone and kind in believed:
                said.statements.append(Statement(kind, record_id, {}, True, None))
        while named := self._named(scope, said) - asked:
            asked |= named
            for key in sorted(named):
                said.statements += said.asked[key]
        assert asked | controls == said.asked.keys(), f"asked for {sorted(said.asked)}, should be {sorted(asked)}"
        return stayed

    def _not_come(self, scope: Scope, said: Said, nested: bool) -> set[Key]:
        """The documents of those whom we hold in the part, as far as they did not come."""
        came = {("section", one.document) if one.document else (one.kind, one.id) for one in said.statements}
        mine = set()
        for (kind, record_id), row in self.rows.items():
            if scope.kind == "user":
                here = kind == "enrollment" and row.fields["user_id"] == scope.id
            elif kind == "user":
                here = any(role["org_id"] == scope.id for role in row.fields["roles"])
            else:
                here = kind != "org" and row.fields["school_id"] == scope.id
            if row.active and here:
                mine.add(("section", row.document or "") if nested and kind == "enrollment" else (kind, record_id))
        return mine - came

    def _named(self, scope: Scope, said: Said) -> set[Key]:
        """Whom the statements name anew, and who is neither said nor active."""
        found = set()
        for one in said.statements:
            row = self.rows.get((one.kind, one.id))
            for name, other in NAMED[one.kind]:
                same = row is not None and row.active and row.fields.get(name) == one.fields.get(name)
                if one.gone or same or (scope.kind, name) == ("user", "user_id"):
                    continue
                value = one.fields[name]
                found |= {(other, value)} if isinstance(value, str) else {(other, role["org_id"]) for role in value}
        said_of = {(one.kind, one.id) for one in said.statements}
        return {key for key in found - said_of if key not in self.rows or not self.rows[key].active}

    # ── a pull ───────────────────────────────────────────────────────────────────────────────────────────

    def judge(self, said: Said, answer: Callable[[str, str], Presence], stating: dict[str, str], now: datetime) -> Outcome:
        """What must become of what was said. answer: the source asked for one record. stating: {kind: the resource that states it}."""
        came, unclear = _settled(said)
        whole = {kind for kind in KINDS if not said.incremental and stating[kind] in said.finished}
        if said.incremental:
            for record_id, waiting in self.waiting.items():
                if record_id not in came["enrollment"] and waiting.document not in came["section"]:
                    came["enrollment"][record_id] = waiting
        aside = self._of_nobody(came, unclear, whole)
        for record_id in aside:
            del came["enrollment"][record_id]
        plan = self._wanted(came, unclear, whole, said)
        plan, stayed = self._looked_for(plan, answer, [kind for kind in KINDS if stating[kind] == RESOURCE[kind]])
        plan, alike = self._same_people(plan)
        alike |= self._here_already(plan, came)
        seen = {kind: len(came[kind]) for kind in KINDS}
        held = self._held(plan, alike, came, seen, said, now)
        unchanged = {kind: sum(self._is_as(came[kind][record_id]) for record_id in came[kind]) for kind in KINDS}
        said_gone = {kind: sum(statement.gone for statement in came[kind].values()) for kind in KINDS}
        self._still_waiting = {}
        if not said.incremental and "enrollment" not in whole:
            self._still_waiting = {
                record_id: waiting
                for record_id, waiting in self.waiting.items()
                if record_id not in came["enrollment"] and waiting.document not in came["section"]
            }
        self._aside, self._came = aside, {(kind, record_id) for kind in KINDS for record_id in came[kind]}
        return Outcome([change for change in plan if change.key not in held], held, seen, said_gone, unchanged, stayed)

    def _is_as(self, statement: Statement) -> bool:
        row = self.rows.get((statement.kind, statement.id))
        return row is not None and row.active and not statement.gone and row.fields == statement.fields

    def _of_nobody(self, came: dict[str, dict[str, Statement]], unclear: set[Key], whole: set[str]) -> dict[str, Statement]:
        """The enrollments, not among the active ones yet, whose section or user nobody knows."""

        def known(kind: str, record_id: str) -> bool:
            statement, row = came[kind].get(record_id), self.rows.get((kind, record_id))
            if statement is not None:
                return not statement.gone
            return row is not None and row.active and (kind not in whole or (kind, record_id) in unclear)

        enrollments = self.active("enrollment")
        return {
            record_id: statement
            for record_id, statement in came["enrollment"].items()
            if not statement.gone and record_id not in enrollments
            if not (known("section", statement.fields["section_id"]) and known("user", statement.fields["user_id"]))
        }

    def _wanted(self, came: dict[str, dict[str, Statement]], unclear: set[Key], whole: set[str], said: Said) -> list[Change]:
        plan = []
        for kind in KINDS:
            for record_id, statement in came[kind].items():
                row = self.rows.get((kind, record_id))
                seen_run = row.changed_run if row else None
                if statement.gone:
                    if row is not None and row.active:
                        plan.append(Change(kind, record_id, DEACTIVATE, seen_run=seen_run))
                    continue
                action = CREATE if row is None else REACTIVATE if not row.active else UPDATE if row.fields != statement.fields else None
                if action is not None:
                    plan.append(Change(kind, record_id, action, statement.fields, statement.document, seen_run=seen_run))
            for record_id, row in self.active(kind).items():
                if record_id in came[kind] or (kind, record_id) in unclear or ("section", row.document) in unclear:
                    continue
                if kind in whole or (said.incremental and row.document is not None and row.document in came["section"]):
                    plan.append(Change(kind, record_id, DEACTIVATE, missing=kind in whole, seen_run=row.changed_run))
        return plan

    def _looked_for(
        self, plan: list[Change], answer: Callable[[str, str], Presence], asked: list[str]
    ) -> tuple[list[Change], dict[str, int]]:
        """Who is missing and answers stays, with all that their document stated; who is not to be told stays too, unless the source
        never tells."""
        stayed: dict[str, int] = {}
        for kind in asked:
            missing = [change for change in plan if change.kind == kind and change.missing]
            answers = {change.id: answer(kind, change.id) for change in missing}
            if not missing or all(found is Presence.CANNOT_TELL for found in answers.values()):
                continue
            stayed[kind] = sum(found is Presence.FOUND for found in answers.values())
            stays = {(kind, record_id) for record_id, found in answers.items() if found is not Presence.GONE}
            plan = [
                change
                for change in plan
                if not (change.missing and (change.key in stays or ("section", self.rows[change.key].document) in stays))
            ]
        return plan, stayed

    def _same_people(self, plan: list[Change]) -> tuple[list[Change], set[Key]]:
        """Who goes and comes under another id with the same student number, and nobody else with it, is the same person. Where there is
        more than one, all of them are in doubt."""
        going = [change for change in plan if change.kind == "user" and change.action == DEACTIVATE]
        coming = [change for change in plan if change.kind == "user" and change.action == CREATE]
        pairs = []
        for old in going:
            for new in coming:
                number = self.rows[old.key].fields.get("student_number")
                if number is not None and number == (new.fields or {}).get("student_number"):
                    pairs.append((old, new))
        plain = [
            (old, new)
            for old, new in pairs
            if sum(other is old for other, _ in pairs) == 1 and sum(other is new for _, other in pairs) == 1
        ]
        gone = {change.key for pair in plain for change in pair}
        rekeyed = [replace(new, action=REKEY, old_id=old.id, seen_run=old.seen_run) for old, new in plain]
        alike = {change.key for pair in pairs for change in pair} - gone
        return [change for change in plan if change.key not in gone] + rekeyed, alike

    def _here_already(self, plan: list[Change], came: dict[str, dict[str, Statement]]) -> set[Key]:
        """Who comes with the student number of somebody active of whom nothing was said, neither here nor there."""
        told = came["user"].keys() | {record_id for change in plan if change.kind == "user" for record_id in (change.id, change.old_id)}
        numbers = {row.fields.get("student_number") for record_id, row in self.active("user").items() if record_id not in told} - {None}
        return {
            change.key
            for change in plan
            if change.kind == "user" and change.action == CREATE and (change.fields or {}).get("student_number") in numbers
        }

    # ── what waits for a person ──────────────────────────────────────────────────────────────────────────

    def _held(
        self, plan: list[Change], alike: set[Key], came: dict[str, dict[str, Statement]], seen: dict[str, int], said: Said, now: datetime
    ) -> dict:
        held: dict[Key, tuple[Change, str]] = {}

        def hold(rule: str, changes: list[Change]) -> None:
            for change in changes:
                held.setdefault(change.key, (change, rule))

        for kind in KINDS:
            for rule, changes in self._too_much(kind, plan, seen, said, now):
                hold(rule, changes)
        for change in plan:
            if self._undone(change):
                hold("undone", [change])
        hold("same-person", [change for change in plan if change.key in alike])
        if held:
            for kind, names, other in LEANS_ON:
                comes = {key[1] for key, (change, _) in held.items() if key[0] == other and change.action in (CREATE, REACTIVATE, REKEY)}
                stays = {change.row_key[1] for key, (change, _) in held.items() if key[0] == other and change.action in (DEACTIVATE, REKEY)}
                for change in plan:
                    if change.kind != kind:
                        continue
                    if change.action in (CREATE, REACTIVATE) and came[kind][change.id].fields[names] in comes:
                        hold("depends", [change])
                    if change.action == DEACTIVATE and self.rows[change.key].fields[names] in stays:
                        hold("depends", [change])
            if self.limits.hold_all:
                hold("hold-all", plan)
        return held

    def _too_much(self, kind: str, plan: list[Change], seen: dict[str, int], said: Said, now: datetime) -> list[tuple[str, list[Change]]]:
        limits, lately = self.limits, now - timedelta(hours=24)
        mine = {
            action: [change for change in plan if change.kind == kind and change.action == action]
            for action in (CREATE, UPDATE, REACTIVATE, DEACTIVATE, REKEY)
        }
        active, found = self.active(kind), []
        floor = limits.floor * (10 if kind == "enrollment" else 1)
        going = mine[DEACTIVATE]
        went = [
            row
            for key, row in self.rows.items()
            if key[0] == kind and row.left is not None and row.left >= lately and self.runs[row.changed_run].trigger == "manual"
        ]
        if going:
            nobody_comes = not mine[CREATE] and not mine[REACTIVATE] and not mine[REKEY]
            if (not said.incremental and not seen[kind]) or (len(going) == len(active) and nobody_comes):
                found.append(("empty", going))
            elif not allowed(limits.deactivations, len(going) + len(went), len(active) + len(went), floor):
                found.append(("max_deactivations", going))
            else:
                found += self._schools_too_much(kind, plan, going, went, floor)
        if mine[CREATE] and kind in ("org", "user") and any(key[0] == kind for key in self.rows):
            first = min(row.created_run for key, row in self.rows.items() if key[0] == kind)
            new = [row for row in active.values() if row.created_run > first and self._lately(row.created_run, lately)]
            if not allowed(limits.creations, len(mine[CREATE]) + len(new), len(active), max(floor, limits.floor * 10)):
                found.append(("max_creations", mine[CREATE]))
        if mine[UPDATE]:
            done = {
                change.id
                for number, run in self.runs.items()
                if self._lately(number, lately)
                for change in run.applied
                if change.kind == kind and change.action == UPDATE
            }
            if not allowed(limits.updates, len(mine[UPDATE]) + len(done), len(active), floor * 2):
                found.append(("max_updates", mine[UPDATE]))
        if mine[REKEY] and not limits.rekey:
            found.append(("rekey", mine[REKEY]))
        return found

    def _lately(self, number: int, since: datetime) -> bool:
        run = self.runs[number]
        return run.trigger == "manual" and run.at >= since

    def _schools_too_much(
        self, kind: str, plan: list[Change], going: list[Change], went: list[Row], floor: int
    ) -> list[tuple[str, list[Change]]]:
        lost = {
            change.id
            for change in plan
            if change.kind == "org" and change.action == DEACTIVATE
            if any(_home("user", row) == change.id for row in self.active("user").values())
            or any(_home("section", row) == change.id for row in self.active("section").values())
        }
        if kind == "org":
            return [("school-gone", [change for change in going if change.id in lost])] if lost else []
        found = []
        for school in sorted({_home(kind, self.rows[change.key]) or "" for change in going} - {""}):
            theirs = [change for change in going if _home(kind, self.rows[change.key]) == school]
            left = sum(_home(kind, row) == school for row in went)
            count, of = len(theirs) + left, sum(_home(kind, row) == school for row in self.active(kind).values()) + left
            if school in lost or (count >= of and count > floor):
                found.append(("school-gone", theirs))
            elif not allowed((self.limits.per_school, None), count, of, floor):
                found.append(("max_deactivations_per_school", theirs))
        return found

    def _undone(self, change: Change) -> bool:
        """Whether a person took just this back, and nothing happened to the record since."""
        for run in self.runs.values():
            if run.state != "undone" or run.trigger == "undo":
                continue
            later = any(
                change.key == other.key
                for after, other_run in self.runs.items()
                if after > (run.settled_by or 0)
                for other in other_run.applied
            )
            for done in run.applied:
                if done.key != change.key or later:
                    continue
                if done.action == change.action != UPDATE or (done.action, change.action) == (CREATE, REACTIVATE):
                    return True
                if done.action == change.action == UPDATE:
                    before, row = run.before[done.key], self.rows[change.key]
                    if before is not None and difference(before.fields, done.fields) == difference(row.fields, change.fields):
                        return True
        return False

    # ── what a run leaves behind ─────────────────────────────────────────────────────────────────────────

    def apply_pull(self, number: int, outcome: Outcome, said: Said, now: datetime) -> None:
        self._apply(number, Run("held" if outcome.held else "applied", now, held=outcome.held, applied=outcome.applied))
        self.waiting = self._still_waiting | self._aside
        if said.cursor is not None or not said.incremental:
            self.cursor = said.cursor
        for older, run in self.runs.items():
            if older < number and run.state == "held":
                self._supersede(run, everything=not said.incremental)

    def _supersede(self, run: Run, *, everything: bool) -> None:
        """What came again is out of date in an older hold; a hold in which nothing else is left is dropped."""
        run.held = {
            key: (replace(change, seen_run=OUT_OF_DATE) if key in self._came else change, rule) for key, (change, rule) in run.held.items()
        }
        if everything or all(change.seen_run == OUT_OF_DATE for change, _ in run.held.values()):
            run.state, run.held = "rejected", {}

    def _apply(self, number: int, run: Run) -> None:
        self.runs[number] = run
        run.before = {change.row_key: self.rows.get(change.row_key) for change in run.applied}
        for change in run.applied:
            row = self.rows.pop(change.row_key, None)
            if row is None:
                assert change.fields is not None
                self.rows[change.key] = Row(deepcopy(change.fields), number, number, None, change.document)
                continue
            # A new id says nothing of whether somebody is there.
            left = run.at if change.action == DEACTIVATE else row.left if change.action == REKEY else None
            kept = row if change.fields is None else replace(row, fields=deepcopy(change.fields), document=change.document)
            self.rows[change.key] = replace(kept, left=left, changed_run=number)

    def failed(self, number: int, now: datetime, state: str = "failed") -> None:
        self.runs[number] = Run(state, now)

    def reject(self, number: int) -> None:
        self.runs[number].state, self.runs[number].held = "rejected", {}

    def approve(self, number: int, by: int, now: datetime) -> int:
        """Apply what a run held, as far as nothing has changed the records since; gives back how many were left out."""
        held = [change for change, _ in self.runs[number].held.values()]
        stands = [change for change in held if self._stands(change)]
        self._apply(by, Run("applied", now, "approve", applied=stands, settles=number))
        self.runs[number].state, self.runs[number].held, self.runs[number].settled_by = "applied", {}, by
        return len(held) - len(stands)

    def _stands(self, change: Change) -> bool:
        row = self.rows.get(change.row_key)
        if (row.changed_run if row else None) != change.seen_run:
            return False
        return change.old_id is None or change.key not in self.rows

    def conflicts(self, number: int) -> set[Key]:
        """The records of a run that later runs changed, those left out that were undone, and those that undid them."""
        mine = {change.key for change in self.runs[number].applied}
        return {
            change.key
            for later, run in self.runs.items()
            if later > number and run.state != "undone" and not (run.trigger == "undo" and (run.settles or 0) >= number)
            for change in run.applied
            if change.key in mine
        }

    def undo(self, number: int, by: int, now: datetime) -> int:
        """Take a run back: each record is again what it was before, and what was created leaves. Gives back how many could not be."""
        run, back = self.runs[number], []
        for change in run.applied:
            row, before = self.rows.get(change.key), run.before[change.row_key]
            taken_back = None if row is None else backwards(change, row, before)
            if taken_back is not None:
                back.append(taken_back)
        self._apply(by, Run("applied", now, "undo", applied=back, settles=number))
        run.state, run.held, run.settled_by = "undone", {}, by
        if run.trigger == "undo" and run.settles is not None:
            again = self.runs[run.settles]
            again.state, again.settled_by = "applied", None
        return len(run.applied) - len(back)


def _settled(said: Said) -> tuple[dict[str, dict[str, Statement]], set[Key]]:
    """One statement per record: alike is one, the newest wins, of changes the last; where nobody can tell, none is used, and the
    document is unclear."""
    versions: dict[Key, list[Statement]] = {}
    for statement in said.statements:
        versions.setdefault((statement.kind, statement.id), []).append(statement)
    came: dict[str, dict[str, Statement]] = {kind: {} for kind in KINDS}
    unclear: set[Key] = set()
    for (kind, record_id), told in versions.items():
        alike = all(replace(statement, modified=None) == replace(told[0], modified=None) for statement in told)
        if alike or all(statement.modified is not None for statement in told):
            came[kind][record_id] = max(told, key=lambda statement: statement.modified or 0)
        elif said.incremental:
            came[kind][record_id] = told[-1]
        else:
            unclear.add(("section", told[0].document) if told[0].document else (kind, record_id))
        if kind == "section" and not said.incremental and any(statement.modified is None for statement in told):
            # Versions of one section that name different people differ, too.
            people = [len(listed) for listed in versions.values() if listed[0].document == record_id]
            if any(count != len(told) for count in people):
                unclear.add((kind, record_id))
                came[kind].pop(record_id, None)
    # Of a section that came in two versions nobody can tell the people.
    came["enrollment"] = {
        record_id: statement for record_id, statement in came["enrollment"].items() if ("section", statement.document) not in unclear
    }
    return came, unclear


def _home(kind: str, row: Row) -> str | None:
    """The school that a record counts for: a user's is that of the primary role."""
    if kind == "user":
        return next((role["org_id"] for role in sorted(row.fields["roles"], key=lambda role: not role["primary"]) if role["org_id"]), None)
    return row.fields.get(SCHOOL.get(kind, ""))
