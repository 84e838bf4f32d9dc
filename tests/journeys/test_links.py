"""One district as a Clever and as a OneRoster source in one store: the same people are linked, and each record stays its source's."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from syncd.account import of_system
from syncd.sandbox import District, Sandbox, running
from syncd.sandbox.district import User, clever_id_of, facets
from syncd.settings.guard import GuardSettings
from syncd.store import links as kept
from syncd.store import purge
from syncd.sync import alike
from tests import stores
from tests.commands import syncd
from tests.journeys.synced import Synced
from tests.who import OPERATOR

ANY_CHANGE = GuardSettings(
    max_deactivations="100%", max_deactivations_per_school="100%", max_creations="100%", max_updates="100%", floor=1000, rekey="apply"
)


class Both:
    """Clever of one sandbox and OneRoster of another, of the same district to begin with, so that one can change without the other."""

    def __init__(self, clever: Sandbox, sis: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch, others: str) -> None:
        self.clever = Synced(clever, folder, "clever-3.1", monkeypatch, name="clever", people="springfield")
        self.sis = Synced(sis, folder, "oneroster-1.2-oauth2", monkeypatch, name="sis", people=others)
        self.clever.limits = self.sis.limits = ANY_CHANGE

    def links(self, **wanted: Any) -> dict[tuple[str, str], tuple[str, str, str | None]]:
        """{(Clever's id, the SIS's id): (state, rule, doubt)}"""
        found = kept.listed(self.clever.store, **wanted)
        return {(link["id"], link["other_id"]): (link["state"], link["rule"], link["doubt"]) for link in found}


@pytest.fixture
def districts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Both]]:
    """districts() serves one district twice; districts(seed, seed) two of them; `others`: whose people the SIS is said to have."""
    with ExitStack() as open_ones:

        def make(one: int = 51, other: int = 51, others: str = "springfield") -> Both:
            clever, sis = (open_ones.enter_context(running(District.generate(students=26, seed=seed))) for seed in (one, other))
            return Both(clever, sis, tmp_path, monkeypatch, others)

        yield make


def students(sandbox: Sandbox) -> list[User]:
    users = sandbox.district.users.values()
    return sorted((user for user in users if "student" in facets(user) and not user.gone), key=lambda user: user.id)


def ids(user: User) -> tuple[str, str]:
    return clever_id_of(user, "student"), user.id


def test_everybody_in_both_sources_is_linked_and_nobody_is_merged(districts: Callable[..., Both]) -> None:
    both = districts()
    both.clever.sync()
    before = both.clever.everything()
    report = both.sis.sync()
    assert both.clever.everything() == before, "one source changed the other's records"
    assert both.clever.differences() == both.sis.differences() == []
    links = both.links()
    for student in students(both.sis.sandbox):
        assert links[ids(student)] == ("linked", "student-number", None)
    _nobody_is_linked_to_a_stranger(both)
    assert report.linked == len([told for told in links.values() if told[0] == "linked"]) >= 26
    again = both.sis.sync(), both.clever.sync()
    assert [(found.linked, found.proposed) for found in again] == [(0, 0), (0, 0)]
    assert both.links() == links


def test_links_stay_true_through_school_days(districts: Callable[..., Both]) -> None:
    both = districts()
    both.clever.sync()
    both.sis.sync()
    for sandbox in (both.clever.sandbox, both.sis.sandbox):
        sandbox.day(4)
    both.sis.sync()
    both.clever.sync()
    links = both.links()
    assert {links[ids(student)][:2] for student in students(both.sis.sandbox)} == {("linked", "student-number")}
    _nobody_is_linked_to_a_stranger(both)


def _nobody_is_linked_to_a_stranger(both: Both) -> None:
    people = both.sis.sandbox.district.users
    for (clever_id, sis_id), told in both.links().items():
        user = people[sis_id]
        assert told[0] != "linked" or clever_id in {clever_id_of(user, facet) for facet in facets(user)}


def test_two_districts_with_the_same_numbers_have_no_child_in_common(districts: Callable[..., Both]) -> None:
    both = districts(51, 52, "shelbyville")
    both.clever.sync()
    both.sis.sync()
    numbers = [{student.number for student in students(source.sandbox)} for source in (both.clever, both.sis)]
    assert len(numbers[0] & numbers[1]) >= 20 and both.links() == {}


def test_two_districts_that_are_taken_for_one_link_nobody_whose_names_differ(districts: Callable[..., Both]) -> None:
    both = districts(51, 52)
    both.clever.sync()
    report = both.sis.sync()
    by_id = {student.id: student for student in students(both.sis.sandbox)}
    of_clever = {clever_id_of(student, "student"): student for student in students(both.clever.sandbox)}
    for (clever_id, sis_id), told in both.links().items():
        if clever_id in of_clever:
            assert told[0] == "proposed" or of_clever[clever_id].birth_date == by_id[sis_id].birth_date
    assert report.proposed >= 20


def test_brother_and_sister_who_share_an_address_wait_for_a_person_each_with_themselves(districts: Callable[..., Both]) -> None:
    both = districts()
    one, other = students(both.sis.sandbox)[:2]
    shared = {
        "email": "family@families.example.net",
        "family_name": "Fox",
        "number": None,
        "sis_id": None,
        "state_id": None,
        "user_ids": [],
    }
    for source in (both.clever, both.sis):
        source.sandbox.put("users", id=one.id, given_name="Ada", **shared)
        source.sandbox.put("users", id=other.id, given_name="Ben", **shared)
        source.sync()
    found = {pair: told for pair, told in both.links().items() if pair[1] in (one.id, other.id)}
    assert found == {ids(one): ("proposed", "email", "shared"), ids(other): ("proposed", "email", "shared")}


def test_a_number_that_another_child_has_elsewhere_waits_for_a_person_and_one_that_changed_too(districts: Callable[..., Both]) -> None:
    both = districts()
    stranger, moved = students(both.sis.sandbox)[:2]
    both.clever.sync()
    both.sis.sandbox.put("users", id=stranger.id, given_name="Nobody", family_name="Elsewhere")
    both.sis.sync()
    assert both.links()[ids(stranger)] == ("proposed", "student-number", "contradicted")
    both.sis.sandbox.put("users", id=moved.id, number="999001", state_id=None, user_ids=[], email=None)
    report = both.sis.sync()
    assert both.links()[ids(moved)] == ("proposed", "student-number", "changed")
    assert (report.linked, report.proposed) == (0, 1)


def test_links_go_with_a_child_to_a_new_id_and_back(districts: Callable[..., Both]) -> None:
    both = districts()
    both.clever.sync()
    both.sis.sync()
    before = {ids(student): student.number for student in students(both.sis.sandbox)}
    links = both.links()
    both.sis.sandbox.rehearse("sis-migration")
    report = both.sis.sync()
    now = {student.number: student.id for student in students(both.sis.sandbox)}
    after = both.links()
    for (clever_id, sis_id), number in before.items():
        assert after[clever_id, now[number]] == links[clever_id, sis_id]
        assert (clever_id, sis_id) not in after
    both.sis.undo(report.run)
    back = both.links()
    assert {pair: back.get(pair) for pair in before} == {pair: links[pair] for pair in before}


def test_who_leaves_one_school_system_keeps_the_link_and_returns_to_it(districts: Callable[..., Both]) -> None:
    both = districts()
    both.clever.sync()
    both.sis.sync()
    child = students(both.sis.sandbox)[0]
    links = both.links()
    both.sis.sandbox.delete("users", child.id)
    both.sis.sync()
    assert next(user for user in both.sis.everything()["users"] if user["id"] == child.id)["status"] == "inactive"
    assert both.links() == links
    both.sis.sandbox.put("users", id=child.id)
    both.sis.sync()
    assert next(user for user in both.sis.everything()["users"] if user["id"] == child.id)["status"] == "active"
    assert both.links()[ids(child)] == ("linked", "student-number", None)


def test_a_fault_in_linking_costs_the_roster_nothing_and_the_next_run_makes_good(
    districts: Callable[..., Both], monkeypatch: pytest.MonkeyPatch
) -> None:
    both = districts()
    both.clever.sync()

    def broken(*_: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(alike, "pair_up", broken)
        report = both.sis.sync()
    assert (report.state, report.error, report.linked) == ("applied", None, 0)
    assert both.sis.differences() == [] and both.links() == {}
    assert both.sis.sync().linked >= 26


# ── a person decides ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def decided(districts: Callable[..., Both], tmp_path: Path) -> Any:
    """(both sources, a child whose number is contradicted, what a command says)"""
    both = districts()
    child = students(both.sis.sandbox)[0]
    both.sis.sandbox.put("users", id=child.id, given_name="Canary", family_name="Canaryname")
    both.clever.sync()
    both.sis.sync()
    config = tmp_path / "syncd.toml"
    token, people = 'token = { env = "T" }', 'people = "springfield"'
    config.write_text(
        f'[store]\nurl = "{stores.url(tmp_path)}"\n'
        f'[sources.clever]\nconnector = "clever"\nurl = "{both.clever.sandbox.clever_url}"\n{token}\n{people}\n'
        f'[sources.sis]\nconnector = "oneroster"\nurl = "{both.sis.sandbox.oneroster_12_url}"\nauth = "bearer"\n{token}\n{people}\n'
        f'[sources.form]\nconnector = "clever"\n{token}\npeople = "springfeild"\n'
    )

    def command(*arguments: str, code: int = 0) -> str:
        told = syncd(config, *arguments)
        assert told.code == code, told.err
        return told.out + told.err

    return both, child, command


def test_a_person_sees_what_waits_without_names_and_accepts_it(decided: Any) -> None:
    both, child, syncd = decided
    told = syncd("links", "--proposed")
    assert all(one in told for one in ids(child)) and "say otherwise" in told and "Canaryname" not in told
    assert "Canaryname" in syncd("links", "--proposed", "--names")
    [waiting] = [link for link in json.loads(syncd("links", "--proposed", "--json"))["links"] if link["other_id"] == child.id]
    assert waiting["users"][0]["school"] and waiting["users"][0]["grades"] and "Canaryname" not in str(waiting)

    assert "are linked" in syncd("links", "accept", "sis", child.id, "clever", ids(child)[0])
    both.sis.sandbox.put("users", id=child.id, number="999001")
    both.sis.sync()
    assert both.links()[ids(child)] == ("linked", "person", None)
    assert child.id not in syncd("links", "--proposed")
    account = of_system()
    assert f"linked: {ids(child)[0]} of clever by a person ({account})" in syncd("history", "user", child.id)
    [link] = json.loads(syncd("history", "user", ids(child)[0], "--json"))["links"]
    assert (link["other_source"], link["other_id"], link["decided_by"]) == ("sis", child.id, account) and link["decided_at"]
    [record] = json.loads(syncd("roster", "users", "--source", "sis", "--search", child.id, "--json"))["records"]
    assert "links" not in record, "the roster's own fields are fixed"


def test_a_person_refuses_and_nobody_asks_again(decided: Any) -> None:
    both, child, syncd = decided
    told = syncd("links", "refuse", "clever", ids(child)[0], "sis", child.id)
    assert "not proposed again" in told
    both.sis.sandbox.put("users", id=child.id, family_name="Fox")
    both.clever.sandbox.put("users", id=child.id, family_name="Fox")
    both.sis.sync()
    both.clever.sync()
    assert both.links()[ids(child)][0] == "refused"
    assert child.id not in syncd("links", "--proposed")


def test_a_person_pairs_two_whom_nobody_proposed_and_ends_it_again(decided: Any) -> None:
    both, _, syncd = decided
    one, other = students(both.sis.sandbox)[1:3]
    pair = ("clever", ids(one)[0], "sis", other.id)
    told = syncd("links", "accept", *pair, code=1)
    assert "already" in told and "syncd links refuse" in told
    for child in (one, other):
        syncd("links", "refuse", "clever", ids(child)[0], "sis", child.id)
    assert (pair[1], pair[3]) not in both.links()
    syncd("links", "accept", *pair)
    assert both.links()[pair[1], pair[3]] == ("linked", "person", None)
    syncd("links", "refuse", *pair)
    assert both.links()[pair[1], pair[3]] == ("refused", "person", None)


def test_what_can_not_be_linked_is_told_in_one_line(decided: Any) -> None:
    _, child, syncd = decided
    told = syncd("links", "accept", "clever", "nobody", "sis", child.id, code=1)
    assert "clever has no user nobody" in told
    told = syncd("links", "accept", "form", "x", "sis", child.id, code=2)
    assert "not said to have the same people" in told and 'people = "springfield"' in told
    assert "both are of sis" in syncd("links", "accept", "sis", "x", "sis", child.id, code=2)
    assert "no source" in syncd("links", "accept", "nowhere", "x", "sis", child.id, code=2)


def test_a_word_for_the_people_that_no_other_source_has_is_told(decided: Any) -> None:
    _, _, syncd = decided
    told = syncd("check").splitlines()
    assert ["linked with nobody" in line and '"springfeild"' in line for line in told[1:]] == [False, False, True]


def test_a_person_who_is_forgotten_is_linked_with_nobody(districts: Callable[..., Both]) -> None:
    both = districts()
    both.clever.sync()
    both.sis.sync()
    mine, other = ids(students(both.sis.sandbox)[0])
    assert (mine, other) in both.links()
    now = datetime.now(UTC)
    proof = purge.forget(both.sis.store, "sis", other, now, by=OPERATOR, force=True, dry_run=True)
    assert proof.sources[0].counts["links"] == 1 and (mine, other) in both.links()
    purge.forget(both.sis.store, "sis", other, now, by=OPERATOR, force=True)
    assert other not in {theirs for _, theirs in both.links()}
