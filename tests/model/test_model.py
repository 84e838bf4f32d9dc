"""Random school years: whatever a source does, whatever goes wrong and whatever people answer, the store is what the oracle says.

A seed that fails is printed; as an explicit sequence it belongs into test_regressions.py.
"""

import os
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from syncd.report import Mode, State
from syncd.roster.scope import Scope
from tests import stores
from tests.model.district import OPEN, STRICT, District
from tests.model.oracle import Limits
from tests.model.sis import Mischief

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "ci")
NAMES = ("Ada", "Grace", "Zoë", "Nuño")
modes = st.sampled_from([Mode.FULL, Mode.INCREMENTAL])


def student(number: int, school: str, name: str = "Ada") -> dict[str, Any]:
    roles = [{"role": "student", "org_id": school, "primary": True}]
    return {"given_name": name, "email": f"u{number}@school.invalid", "roles": roles, "student_number": f"n{number}"}


class SchoolYear(RuleBasedStateMachine):
    """A source that changes, pulls, faults, and people who answer."""

    limits: Limits = OPEN

    @initialize(nested=st.booleans(), dated=st.booleans(), schools=st.integers(1, 3), users=st.integers(0, 8))
    def found(self, nested: bool, dated: bool, schools: int, users: int) -> None:
        self.district = District(self.limits, nested=nested, dated=dated)
        self.sis, self.records = self.district.sis, self.district.sis.records
        self.ids = 0
        for number in range(1, schools + 1):
            self.records["org", f"o{number}"] = {"name": f"School {number}", "type": "school"}
            self.records["section", f"s{number}"] = {"name": "Algebra", "school_id": f"o{number}"}
        for number in range(1, users + 1):
            home = f"o{number % schools + 1}"
            self.records["user", f"u{number}"] = student(number, home)
            self._enroll(f"s{number % schools + 1}", f"u{number}")
        self.sis.commit()
        self.district.neighbour()
        self.district.pull()

    def teardown(self) -> None:
        if hasattr(self, "district"):
            try:
                self.district.check_past()
            finally:
                self.district.close()

    # ── the source changes ───────────────────────────────────────────────────────────────────────────────

    def _of(self, kind: str) -> list[str]:
        return sorted(record_id for of, record_id in self.records if of == kind)

    def _pick(self, data: st.DataObject, kind: str, label: str) -> str:
        return data.draw(st.sampled_from(self._of(kind)), label)

    def _has(self, kind: str) -> bool:
        return any(of == kind for of, _ in self.records)

    def _enroll(self, section: str, user: str) -> None:
        school = self.records["section", section]["school_id"]
        fields = {"section_id": section, "user_id": user, "school_id": school, "role": "student"}
        self.records["enrollment", f"{section}:{user}"] = fields

    def _drop(self, kind: str, record_id: str) -> None:
        del self.records[kind, record_id]
        for key in [key for key, fields in self.records.items() if key[0] == "enrollment" and fields.get(f"{kind}_id") == record_id]:
            del self.records[key]

    @precondition(lambda self: self._has("section") and len(self._of("user")) < 8)
    @rule(data=st.data(), number=st.integers(1, 12))
    def a_student_comes(self, data: st.DataObject, number: int) -> None:
        """A new one, or one who was here before."""
        section = self._pick(data, "section", "section")
        key = "user", f"u{number}"
        if key not in self.records:
            self.records[key] = self.sis.ever.get(key) or student(number, self.records["section", section]["school_id"])
        self._enroll(section, key[1])
        self.sis.commit()

    @precondition(lambda self: self._has("user"))
    @rule(data=st.data())
    def a_student_leaves(self, data: st.DataObject) -> None:
        self._drop("user", self._pick(data, "user", "user"))
        self.sis.commit()

    @precondition(lambda self: self._has("user"))
    @rule(data=st.data(), name=st.sampled_from(NAMES))
    def a_student_is_renamed(self, data: st.DataObject, name: str) -> None:
        key = "user", self._pick(data, "user", "user")
        self.records[key] = {**self.records[key], "given_name": name}
        self.sis.commit()

    @rule(name=st.sampled_from(NAMES))
    def everybody_is_renamed(self, name: str) -> None:
        for user in self._of("user"):
            self.records["user", user] = {**self.records["user", user], "given_name": name}
        self.sis.commit()

    @precondition(lambda self: self._has("user") and self._has("org"))
    @rule(data=st.data())
    def a_student_changes_school(self, data: st.DataObject) -> None:
        key, school = ("user", self._pick(data, "user", "user")), self._pick(data, "org", "school")
        roles = [{"role": "student", "org_id": school, "primary": True}]
        self.records[key] = {**self.records[key], "roles": roles}
        self.sis.commit()

    @precondition(lambda self: self._has("user"))
    @rule(data=st.data())
    def a_student_gets_a_new_id(self, data: st.DataObject) -> None:
        """The same person, and all that belongs to them, under another id."""
        self._new_id(self._pick(data, "user", "user"))
        self.sis.commit()

    @rule()
    def everybody_gets_a_new_id(self) -> None:
        for user in self._of("user"):
            self._new_id(user)
        self.sis.commit()

    def _new_id(self, user: str) -> None:
        self.ids += 1
        new, fields = f"x{self.ids}", self.records["user", user]
        sections = [other["section_id"] for key, other in self.records.items() if key[0] == "enrollment" and other["user_id"] == user]
        self._drop("user", user)
        self.records["user", new] = fields
        for section in sections:
            self._enroll(section, new)

    @precondition(lambda self: self._has("org") and len(self._of("section")) < 4)
    @rule(data=st.data(), number=st.integers(1, 5))
    def a_section_opens(self, data: st.DataObject, number: int) -> None:
        self.records.setdefault(("section", f"s{number}"), {"name": "Biology", "school_id": self._pick(data, "org", "school")})
        self.sis.commit()

    @precondition(lambda self: self._has("section"))
    @rule(data=st.data())
    def a_section_closes(self, data: st.DataObject) -> None:
        self._drop("section", self._pick(data, "section", "section"))
        self.sis.commit()

    @rule(number=st.integers(1, 3))
    def a_school_opens_or_is_renamed(self, number: int) -> None:
        key = "org", f"o{number}"
        self.records[key] = {"name": f"School {number}" if key not in self.records else "Lincoln", "type": "school"}
        self.sis.commit()

    @precondition(lambda self: self._has("org"))
    @rule(data=st.data(), people=st.booleans())
    def a_school_closes(self, data: st.DataObject, people: bool) -> None:
        """With everything in it; the people go too, or stay behind."""
        school = self._pick(data, "org", "school")
        for section in self._of("section"):
            if self.records["section", section]["school_id"] == school:
                self._drop("section", section)
        for user in self._of("user"):
            if people and self.records["user", user]["roles"][0]["org_id"] == school:
                self._drop("user", user)
        del self.records["org", school]
        self.sis.commit()

    @precondition(lambda self: self._has("section"))
    @rule(data=st.data(), number=st.integers(1, 12))
    def somebody_unknown_is_enrolled(self, data: st.DataObject, number: int) -> None:
        """The enrollment comes before its user does."""
        self._enroll(self._pick(data, "section", "section"), f"u{number}")
        self.sis.commit()

    @precondition(lambda self: self._has("enrollment"))
    @rule(data=st.data())
    def a_student_drops_a_section(self, data: st.DataObject) -> None:
        del self.records["enrollment", self._pick(data, "enrollment", "enrollment")]
        self.sis.commit()

    # ── runs ─────────────────────────────────────────────────────────────────────────────────────────────

    @rule(mode=modes)
    def pull(self, mode: Mode) -> None:
        self.district.pull(mode)

    @rule()
    def the_same_pull_twice(self) -> None:
        """The second changes nothing, and says so. (Unless something waited: what was applied meanwhile can bring that below its limit.)"""
        first, second = self.district.pull(), self.district.pull()
        assert first is not None and second is not None
        if not first.held:
            assert not any(counts.created + counts.updated + counts.reactivated + counts.deactivated for counts in second.counts.values())
            assert second.state == State.APPLIED
            assert self.district.equal() == (not self.district.oracle.waiting)

    @rule(mode=modes, data=st.data())
    def a_bad_pull(self, mode: Mode, data: st.DataObject) -> None:
        documents = sorted(self.sis.documents)
        some = st.frozensets(st.sampled_from(documents), max_size=4) if documents else st.just(frozenset())
        resource = st.sampled_from([resource.name for resource in self.sis.resources()])
        one = {
            "breaks": st.builds(Mischief, breaks_at=st.integers(1, 6), breaks_how=st.sampled_from(["fails", "stopped", "killed"])),
            "hides": st.builds(Mischief, hides=some),
            "hides and is mute": st.builds(Mischief, hides=some, mute=st.just(True)),
            "refuses": st.builds(Mischief, refuses=resource, mute=st.booleans()),
            "cuts": st.builds(Mischief, cuts=resource, mute=st.booleans()),
            "empties": st.builds(Mischief, empties=resource, mute=st.booleans()),
            "forgets": st.builds(Mischief, forgets=st.just(True)),
            "repeats": st.builds(Mischief, repeats=st.integers(1, 10)),
            "stale": st.builds(Mischief, stale=some),
            "doubles": st.builds(Mischief, doubles=some),
            "all sorts": st.builds(Mischief, hides=some, stale=some, doubles=some, refuses=st.none() | resource, repeats=st.integers(0, 5)),
        }
        self.district.pull(mode, data.draw(st.sampled_from(sorted(one)).flatmap(lambda name: one[name]), "mischief"))

    @rule(data=st.data(), kind=st.sampled_from(["school", "user"]))
    def a_part_is_pulled(self, data: st.DataObject, kind: Any) -> None:
        """One school, or one student: here, gone, or never heard of; and what can go wrong with it."""
        ids = ["o1", "o2", "o3"] if kind == "school" else [f"u{number}" for number in range(1, 13)] + self._of("user")
        documents = sorted(self.sis.documents)
        some = st.frozensets(st.sampled_from(documents), max_size=4) if documents else st.just(frozenset())
        resource = st.sampled_from([resource.name for resource in self.sis.resources()])
        wrong = st.one_of(
            st.just(Mischief()),
            st.builds(Mischief, breaks_at=st.integers(1, 3), breaks_how=st.sampled_from(["fails", "stopped", "killed"])),
            st.builds(Mischief, hides=some, mute=st.booleans()),
            st.builds(Mischief, refuses=resource),
            st.builds(Mischief, cuts=resource),
            st.builds(Mischief, empties=resource),
            st.builds(Mischief, stale=some),
        )
        self.district.part(Scope(kind, data.draw(st.sampled_from(ids), "id")), data.draw(wrong, "mischief"))

    @rule(data=st.data())
    def a_pull_that_is_not_whole(self, data: st.DataObject) -> None:
        """And nobody can be asked for: still nobody goes."""
        resource = data.draw(st.sampled_from([resource.name for resource in self.sis.resources()]), "resource")
        self.district.pull(mischief=data.draw(st.sampled_from([Mischief(refuses=resource, mute=True), Mischief(cuts=resource, mute=True)])))

    @precondition(lambda self: self._runs("held"))
    @rule(data=st.data(), name=st.sampled_from(NAMES))
    def a_late_answer(self, data: st.DataObject, name: str) -> None:
        """Somebody approves what was held before everybody changed."""
        run = data.draw(st.sampled_from(self._runs("held")), "run")
        self.everybody_is_renamed(name)
        self.district.pull(Mode.INCREMENTAL)
        if run in self._runs("held"):
            self.district.approve(run)

    @rule(mode=modes, at=st.sampled_from(["apply", "commit"]))
    def a_run_dies(self, mode: Mode, at: str) -> None:
        (self.district.killed_before_apply if at == "apply" else self.district.killed_before_commit)(mode)

    @rule()
    def verify(self) -> None:
        self.district.verify()

    # ── people ───────────────────────────────────────────────────────────────────────────────────────────

    def _runs(self, *states: str) -> list[int]:
        return [number for number, run in self.district.oracle.runs.items() if run.state in states]

    @precondition(lambda self: self._runs("held"))
    @rule(data=st.data())
    def approve(self, data: st.DataObject) -> None:
        self.district.approve(data.draw(st.sampled_from(self._runs("held")), "run"))

    @precondition(lambda self: self._runs("held"))
    @rule(data=st.data())
    def reject(self, data: st.DataObject) -> None:
        self.district.reject(data.draw(st.sampled_from(self._runs("held")), "run"))

    @precondition(lambda self: self._runs("held", "applied", "rejected"))
    @rule(data=st.data(), force=st.booleans())
    def undo(self, data: st.DataObject, force: bool) -> None:
        self.district.undo(data.draw(st.sampled_from(self._runs("held", "applied", "rejected")[::-1]), "run"), force=force)

    @rule(hours=st.sampled_from([1, 30]))
    def time_passes(self, hours: int) -> None:
        self.district.later(hours)

    @rule()
    def restart(self) -> None:
        self.district.restart()


class StrictYear(SchoolYear):
    """Hardly anything passes the guard."""

    limits = STRICT


class CarefulYear(SchoolYear):
    """New ids are taken as they come, and a run that holds anything holds everything."""

    limits = Limits((50, None), 60, (None, 4), (100, 4), 1, rekey=True, hold_all=True)


CI, SOAK = settings.get_profile("ci"), settings.get_profile("soak")
# A database answers each of the small statements more slowly than a file.
EXAMPLES = 7 if stores.chosen == "sqlite" else 2
CHOSEN = SOAK if PROFILE == "soak" else settings(CI, max_examples=EXAMPLES, stateful_step_count=20)

TestSchoolYear = SchoolYear.TestCase
TestSchoolYear.settings = CHOSEN
TestStrictYear = StrictYear.TestCase
TestStrictYear.settings = CHOSEN
TestCarefulYear = CarefulYear.TestCase
TestCarefulYear.settings = CHOSEN
