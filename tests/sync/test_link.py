"""Links as SQL finds them, against a slow and obvious account of the same rules, on made-up people who change day by day."""

import itertools
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, update

from syncd.errors import Superseded, SyncdError
from syncd.report import Mode, RunReport, State, Trigger
from syncd.store import Store, lease, open_store, runs
from syncd.store.tables import ROSTER, changes, links, sources
from syncd.store.tables import runs as runs_table
from syncd.sync import alike, link
from syncd.sync.link import Person
from tests import stores
from tests.who import PRINCIPAL

USER = ROSTER["user"]
NOBODY = dict.fromkeys(("given_name", "family_name", "birth_date", "student_number", "state_id", "email"))


class District:
    """Two sources (or more) in one store. A day changes people of one source, and its run then looks for links."""

    def __init__(self, store: Store, **whose: str | None) -> None:
        self.store, self.whose = store, whose
        self.now: dict[str, dict[str, dict[str, Any]]] = {source: {} for source in whose}

    def day(self, source: str, *, look: bool = True, **people: dict[str, Any] | None) -> RunReport:
        """Each of `people` is now as told; None: inactive."""
        started = datetime.now(UTC)
        with self.store.write() as connection:
            run, epoch = runs.start(connection, source, mode="full", trigger="manual", at=started)
            for user_id, told in people.items():
                self._put(connection, source, user_id, told, run)
            connection.execute(update(runs_table).where(runs_table.c.id == run).values(state="applied"))
        report = RunReport(run=run, source=source, mode=Mode.FULL, trigger=Trigger.MANUAL, state=State.APPLIED, started_at=started)
        if look:
            link.find(self.store, report, self.whose[source], epoch)
        return report

    def _put(self, connection: Any, source: str, user_id: str, told: dict[str, Any] | None, run: int) -> None:
        before = self.now[source].get(user_id)
        if told is None and before is None:
            return
        at = (USER.c.source == source, USER.c.id == user_id)
        if told is None:
            connection.execute(update(USER).where(*at).values(status="inactive", changed_run=run))
            action, fields = "deactivate", None
        else:
            values = {**NOBODY, **told}
            values["roles"] = [{"role": values.pop("role", "student"), "org_id": "lincoln", "primary": True}]
            row = {**values, "source": source, "id": user_id, "status": "active", "created_run": run, "changed_run": run}
            connection.execute(delete(USER).where(*at))
            connection.execute(insert(USER).values(**row))
            old = {**NOBODY, **(before or {})}
            action = "update" if before else "create"
            fields = {name: [old[name], values[name]] for name in NOBODY if old[name] != values[name]} if before else None
            self.now[source][user_id] = told
        connection.execute(insert(changes).values(source=source, run=run, kind="user", record_id=user_id, action=action, fields=fields))

    def links(self) -> dict[tuple[str, str], tuple[str, str, str | None]]:
        """{(id of the one, id of the other): (state, rule, doubt)}"""
        with self.store.read() as connection:
            return {(row.user_id, row.other_id): (row.state, row.rule, row.doubt) for row in connection.execute(select(links))}

    def active(self, source: str) -> dict[str, dict[str, Any]]:
        with self.store.read() as connection:
            rows = connection.execute(select(USER).where(USER.c.source == source, USER.c.status == "active")).all()
        return {row.id: {**{name: row._mapping[name] for name in NOBODY}, "role": row.roles[0]["role"]} for row in rows}


@contextmanager
def district(**whose: str | None) -> Iterator[District]:
    with tempfile.TemporaryDirectory() as folder, closing(open_store(stores.url(Path(folder)))) as store:
        yield District(store, **(whose or {"clever": "springfield", "sis": "springfield"}))


def clear(here: District) -> None:
    """As if it were a new store: making one takes longer than ten days in it."""
    with here.store.write() as connection:
        for table in (USER, changes, links, sources, runs_table):
            connection.execute(delete(table))
    here.now = {source: {} for source in here.whose}


# ── the slow and obvious account ─────────────────────────────────────────────────────────────────────


def low(value: str | None) -> str | None:
    return value.lower() if value else None


def told_by(user: dict[str, Any]) -> dict[str, Any]:
    names = (low(user["given_name"]), low(user["family_name"]), user["birth_date"])
    return {
        "student-number": user["student_number"] and (user["role"], user["student_number"]),
        "state-id": user["state_id"] and (user["role"], user["state_id"]),
        "email": low(user["email"]),
        "name-and-birth-date": (user["role"], *names) if all(names) else None,
    }


def same_or_different(x: dict[str, Any], z: dict[str, Any], name: str) -> bool | None:
    return None if not x[name] or not z[name] else low(x[name]) == low(z[name])


def expect(one: dict[str, Any], other: dict[str, Any], before: dict[Any, Any], decided: set[Any], most: int) -> dict[Any, Any]:
    """What the links of two sources become when everybody active is looked at. before: {pair: (state, rule, doubt)}"""
    taken = [
        pair for pair, (state, _, _) in before.items() if state == "linked" and pair in decided and pair[0] in one and pair[1] in other
    ]
    refused = {pair for pair, (state, _, _) in before.items() if state == "refused"}
    sure: dict[Any, str] = {}
    brought_up: list[dict[Any, str]] = []
    for rule in ("student-number", "state-id", "email", "name-and-birth-date"):
        of_one = Counter(told_by(user)[rule] for user in one.values())
        of_other = Counter(told_by(user)[rule] for user in other.values())
        found: dict[Any, str | None] = {}
        for x, z in itertools.product(one, other):
            a, b, key = one[x], other[z], told_by(one[x])[rule]
            settled = any(x == pair[0] or z == pair[1] for pair in [*taken, *sure])
            if not key or told_by(b)[rule] != key or a["role"] != b["role"] or settled or (x, z) in refused:
                continue
            if of_one[key] > most or of_other[key] > most:
                continue
            given, family, born = (same_or_different(a, b, name) for name in ("given_name", "family_name", "birth_date"))
            shared = of_one[key] > 1 or of_other[key] > 1
            against = born is False or (given is False and family is False)
            if rule == "email":
                against = born is False or not given or not family
                if shared and given is False:
                    continue
            found[x, z] = "shared" if shared else "contradicted" if against else None
            if rule == "name-and-birth-date":
                found[x, z] = "shared" if shared else "name-only"
        for (x, z), doubt in found.items():
            for stronger in brought_up:
                if doubt is None and (x, z) not in stronger and any(x == pair[0] or z == pair[1] for pair in stronger):
                    found[x, z] = "contradicted"
        brought_up.append({pair: (rule, doubt) for pair, doubt in found.items()})
        sure |= {pair: rule for pair, doubt in found.items() if doubt is None}
    proposals: dict[Any, Any] = {}
    for level in brought_up:
        for pair, reason in level.items():
            if not any(pair[0] == x or pair[1] == z for x, z in [*taken, *sure]):
                proposals.setdefault(pair, reason)
    after: dict[Any, Any] = {}
    for pair, (state, rule, doubt) in before.items():
        if pair in decided or pair[0] not in one or pair[1] not in other:
            after[pair] = (state, rule, doubt)
        elif pair in sure:
            after[pair] = ("linked", sure[pair], None)
        elif state == "linked" or doubt == "changed":
            after[pair] = ("proposed", rule, "changed")
        elif pair in proposals:
            after[pair] = ("proposed", *proposals[pair])
    for pair, rule in sure.items():
        after[pair] = ("linked", rule, None)
    for pair, reason in proposals.items():
        after.setdefault(pair, ("proposed", *reason))
    return after


def maybe(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from([None, *values])


PEOPLE = st.fixed_dictionaries(
    {
        "given_name": maybe("Ada", "ADA", "Éva", "ÉVA", "Ben"),
        "family_name": maybe("Fox", "Ray"),
        "birth_date": maybe("2015-03-01", "2016-04-02"),
        "student_number": maybe("1", "2", "3"),
        "state_id": maybe("A", "B"),
        "email": maybe("fox@home.example", "Fox@home.example", "ray@home.example"),
        "role": st.sampled_from(["student", "student", "student", "teacher", "guardian"]),
    }
)
IDS = st.sampled_from("abcdefg")
DAY = st.tuples(st.sampled_from(["clever", "sis"]), st.dictionaries(IDS, st.none() | PEOPLE, min_size=1, max_size=5))
WORD = st.tuples(st.sampled_from(["linked", "refused"]), IDS, IDS)


@pytest.fixture(scope="module")
def one_store() -> Iterator[District]:
    with district() as made:
        yield made


@pytest.fixture
def here(one_store: District) -> District:
    clear(one_store)
    return one_store


@settings(max_examples=50 if stores.chosen == "sqlite" else 15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(DAY | DAY | WORD, min_size=2, max_size=9), most=st.sampled_from([2, 5]))
def test_links_are_what_a_slow_look_at_everybody_says(here: District, steps: list[Any], most: int) -> None:
    clear(here)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(alike, "MOST", most)
        right: dict[Any, Any] = {}
        decided: set[Any] = set()
        for step in steps:
            if isinstance(step[1], dict):
                here.day(step[0], **step[1])
            else:
                state, one, other = step
                try:
                    link.decide(here.store, Person("clever", one), Person("sis", other), state, PRINCIPAL)
                except SyncdError:
                    continue
                decided.add((one, other))
                if state == "linked":
                    right = {
                        pair: told
                        for pair, told in right.items()
                        if pair in decided or told[0] == "linked" or (pair[0] != one and pair[1] != other)
                    }
                    right[one, other] = ("linked", "person", None)
                else:
                    right[one, other] = ("refused", right.get((one, other), ("", "person"))[1], None)
            if here.now["clever"] and here.now["sis"]:
                right = expect(here.active("clever"), here.active("sis"), right, decided, most)
            assert here.links() == right


# ── in school words ──────────────────────────────────────────────────────────────────────────────────

ADA = {"given_name": "Ada", "family_name": "Fox"}
BEN = {"given_name": "Ben", "family_name": "Fox"}
UMA = {"given_name": "Uma", "family_name": "Ray"}
HOME = {"email": "fox@home.example"}


def test_one_number_in_both_sources_is_one_child(here: District) -> None:
    here.day("clever", a={**ADA, "student_number": "7"})
    report = here.day("sis", z={**ADA, "student_number": "7"})
    assert here.links() == {("a", "z"): ("linked", "student-number", None)}
    assert (report.linked, report.proposed) == (1, 0)
    assert runs.get(here.store, report.run).linked == 1


def test_another_name_and_another_family_name_under_one_number_wait_for_a_person(here: District) -> None:
    here.day("clever", a={**ADA, "student_number": "7"}, b={**BEN, "student_number": "8", "birth_date": "2015-03-01"})
    report = here.day("sis", y={**UMA, "student_number": "7"}, z={**BEN, "student_number": "8", "birth_date": "2015-03-02"})
    contradicted = ("proposed", "student-number", "contradicted")
    assert here.links() == {("a", "y"): contradicted, ("b", "z"): contradicted}
    assert (report.linked, report.proposed) == (0, 2)


def test_a_teacher_and_a_student_with_one_number_are_two_people(here: District) -> None:
    here.day("clever", a={**ADA, "state_id": "7"})
    here.day("sis", z={**ADA, "state_id": "7", "role": "teacher"})
    assert here.links() == {}


def test_brother_and_sister_with_their_mothers_address_are_never_linked_by_it(here: District) -> None:
    here.day("clever", ada={**ADA, **HOME}, ben={**BEN, **HOME})
    here.day("sis", ada={**ADA, **HOME})
    assert here.links() == {("ada", "ada"): ("proposed", "email", "shared")}
    here.day("clever", ben=BEN)
    assert here.links() == {("ada", "ada"): ("linked", "email", None)}, "the address is hers alone now, although she did not change"


def test_an_address_does_not_outdo_a_number_that_points_to_somebody_else(here: District) -> None:
    here.day("clever", a={**ADA, **HOME, "student_number": "7"})
    here.day("sis", y={**UMA, "student_number": "7"}, z={**ADA, **HOME})
    assert here.links() == {
        ("a", "y"): ("proposed", "student-number", "contradicted"),
        ("a", "z"): ("proposed", "email", "contradicted"),
    }


def test_a_proposal_is_forgotten_when_nothing_speaks_for_it_any_more(here: District) -> None:
    here.day("clever", a={**ADA, "student_number": "7"})
    here.day("sis", y={**UMA, "student_number": "7"})
    here.day("sis", y={**UMA, "student_number": "8"})
    assert here.links() == {}


def test_an_address_that_is_one_to_one_links_only_people_of_one_name(here: District) -> None:
    here.day("clever", a={**ADA, **HOME})
    here.day("sis", z={**BEN, "email": "FOX@home.example"})
    assert here.links() == {("a", "z"): ("proposed", "email", "contradicted")}
    here.day("sis", z={**ADA, "email": "FOX@home.example"})
    assert here.links() == {("a", "z"): ("linked", "email", None)}


def test_name_and_birth_date_alone_are_never_enough(here: District) -> None:
    born = {"birth_date": "2015-03-01"}
    here.day("clever", a={**ADA, **born})
    here.day("sis", z={**ADA, **born})
    assert here.links() == {("a", "z"): ("proposed", "name-and-birth-date", "name-only")}


def test_a_link_whose_number_changed_waits_for_a_person_until_the_number_is_back(here: District) -> None:
    here.day("clever", a={**ADA, "student_number": "7"})
    here.day("sis", z={**ADA, "student_number": "7"})
    report = here.day("sis", z={**ADA, "student_number": "8"})
    assert here.links() == {("a", "z"): ("proposed", "student-number", "changed")}
    assert report.proposed == 1
    here.day("sis", z={**ADA, "student_number": "9"})
    assert here.links() == {("a", "z"): ("proposed", "student-number", "changed")}
    here.day("clever", a={**ADA, "student_number": "9"})
    assert here.links() == {("a", "z"): ("linked", "student-number", None)}


def test_who_is_inactive_keeps_the_link_and_returns_to_it(here: District) -> None:
    here.day("clever", a={**ADA, "student_number": "7"})
    here.day("sis", z={**ADA, "student_number": "7"})
    here.day("sis", z=None)
    assert here.links() == {("a", "z"): ("linked", "student-number", None)}
    here.day("clever", a={**ADA, "student_number": "8"})
    assert here.links() == {("a", "z"): ("linked", "student-number", None)}
    here.day("sis", z={**ADA, "student_number": "7"})
    assert here.links() == {("a", "z"): ("proposed", "student-number", "changed")}


def test_a_refused_pair_is_never_proposed_again(here: District) -> None:
    here.day("clever", a={**ADA, "student_number": "7"})
    here.day("sis", z={**ADA, "student_number": "7"})
    link.decide(here.store, Person("sis", "z"), Person("clever", "a"), "refused", PRINCIPAL)
    assert here.links() == {("a", "z"): ("refused", "student-number", None)}
    here.day("sis", z={**ADA, **HOME, "student_number": "7"})
    here.day("clever", a={**ADA, **HOME, "student_number": "7"})
    assert here.links() == {("a", "z"): ("refused", "student-number", None)}


def test_who_is_refused_under_one_number_is_found_by_what_else_there_is(here: District) -> None:
    here.day("clever", a={**ADA, **HOME, "student_number": "7"})
    here.day("sis", y={**ADA, "student_number": "7"}, z={**ADA, **HOME})
    assert here.links() == {("a", "y"): ("linked", "student-number", None)}
    link.decide(here.store, Person("clever", "a"), Person("sis", "y"), "refused", PRINCIPAL)
    assert here.links() == {("a", "y"): ("refused", "student-number", None), ("a", "z"): ("linked", "email", None)}


def test_a_persons_link_stands_against_whatever_the_sources_say_later(here: District) -> None:
    here.day("clever", a=ADA)
    here.day("sis", y={**UMA, "student_number": "7"}, z=UMA)
    link.decide(here.store, Person("clever", "a"), Person("sis", "z"), "linked", PRINCIPAL)
    here.day("clever", a={**UMA, "student_number": "7"})
    assert here.links() == {("a", "z"): ("linked", "person", None)}
    with pytest.raises(SyncdError, match="sis z already"):
        link.decide(here.store, Person("clever", "a"), Person("sis", "y"), "linked", PRINCIPAL)
    with pytest.raises(SyncdError, match="sis has no user nobody"):
        link.decide(here.store, Person("clever", "a"), Person("sis", "nobody"), "linked", PRINCIPAL)


def test_a_persons_word_settles_the_other_proposals_of_both(here: District) -> None:
    here.day("clever", a={**ADA, "student_number": "7"}, b={**ADA, "student_number": "7"})
    here.day("sis", y={**ADA, "student_number": "7"}, z={**ADA, "student_number": "7"})
    assert len(here.links()) == 4
    link.decide(here.store, Person("clever", "a"), Person("sis", "y"), "linked", PRINCIPAL)
    assert here.links() == {("a", "y"): ("linked", "person", None), ("b", "z"): ("proposed", "student-number", "shared")}


def test_a_placeholder_that_many_share_proposes_nobody(here: District) -> None:
    many = {f"s{number}": {**ADA, "student_number": "0"} for number in range(alike.MOST + 1)}
    here.day("clever", **many)
    here.day("sis", z={**ADA, "student_number": "0"})
    assert here.links() == {}


def test_what_one_run_could_not_look_at_the_next_one_does(here: District) -> None:
    here.day("clever", a={**ADA, "student_number": "7"}, b={**BEN, "student_number": "8"})
    here.day("sis", z={**ADA, "student_number": "7"})
    here.day("sis", y={**BEN, "student_number": "8"}, look=False)
    assert ("b", "y") not in here.links()
    here.day("sis")
    assert here.links()["b", "y"] == ("linked", "student-number", None)


def test_old_values_that_were_purged_do_not_stand_in_the_way(here: District) -> None:
    here.day("clever", a={**ADA, "student_number": "7"})
    here.day("sis", z={**ADA, "student_number": "7"})
    here.day("sis", z={**ADA, "student_number": "8"}, look=False)
    with here.store.write() as connection:
        connection.execute(update(changes).where(changes.c.action == "update").values(fields={"student_number": None}))
    here.day("sis")
    assert here.links() == {("a", "z"): ("proposed", "student-number", "changed")}


def test_a_run_that_was_overtaken_links_nobody(here: District) -> None:
    here.day("clever", a={**ADA, "student_number": "7"})
    late = here.day("sis", z={**ADA, "student_number": "7"}, look=False)
    with here.store.write() as connection:
        lease.next_epoch(connection, "sis")
    with pytest.raises(Superseded):
        link.find(here.store, late, "springfield", epoch=1)
    assert here.links() == {}


def test_equal_numbers_of_two_districts_are_two_children() -> None:
    with district(clever="springfield", sis="shelbyville", form=None, other=None) as here:
        for source in here.whose:
            here.day(source, a={**ADA, "student_number": "7", **HOME})
        assert here.links() == {}


def test_a_source_that_changes_its_district_takes_only_a_persons_word_along() -> None:
    with district(clever="springfield", sis="springfield", form="springfield") as here:
        for source in here.whose:
            here.day(source, a={**ADA, "student_number": "7"}, b={**BEN, "student_number": "8"})
        with here.store.read() as connection:
            assert len(connection.execute(select(links)).all()) == 6
        link.decide(here.store, Person("clever", "a"), Person("sis", "a"), "linked", PRINCIPAL)
        here.whose["sis"] = "shelbyville"
        here.day("sis")
        with here.store.read() as connection:
            left = {(row.source, row.user_id, row.other_source) for row in connection.execute(select(links))}
        assert left == {("clever", "a", "form"), ("clever", "b", "form"), ("clever", "a", "sis")}
        here.whose["sis"] = "springfield"
        here.day("sis")
        with here.store.read() as connection:
            assert len(connection.execute(select(links)).all()) == 6
