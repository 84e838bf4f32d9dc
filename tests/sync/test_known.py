"""What came before, byte for byte, is not read again; and nothing is missed by that."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from connectors.oneroster.read import read
from syncd.contract.connector import Abilities, Connector, Context, Resource
from syncd.contract.document import Cursor, Document, Finished, Page, Presence, Reading
from syncd.contract.known import fingerprint
from syncd.report import Mode, RunReport, State, Trigger
from syncd.settings.guard import GuardSettings
from syncd.store import open_store, pages, purge, roster
from syncd.store.tables import pages as kept
from syncd.sync import absent, known
from syncd.sync.run import Order, run
from tests import stores
from tests.who import OPERATOR

RESOURCES = (
    Resource("orgs", ("org",), one=True),
    Resource("classes", ("section",), one=True),
    Resource("users", ("user",), one=True),
    Resource("enrollments", ("enrollment",), one=True),
    Resource("demographics", ()),
)
OPEN = GuardSettings(max_deactivations="100%", max_deactivations_per_school="100%", max_creations="100%", max_updates="100%", floor=1000)


class Lists(Connector):
    """A provider of lists that a test writes, a few documents a page; it knows what was read."""

    abilities = Abilities(incremental=True, one=True)

    def __init__(self, provider: "Provider", context: Context) -> None:
        super().__init__(None, context)
        self.provider = provider

    def resources(self) -> tuple[Resource, ...]:
        return RESOURCES

    def _pages(self, resource: str, documents: list[bytes]) -> Iterator[Page]:
        size = self.provider.page
        for start in range(0, len(documents), size):
            some = documents[start : start + size]
            digest = fingerprint(b"\n".join(some))
            same = self.context.known.page(resource, digest)
            if same is not None:
                self.provider.whole += 1
            yield Page(resource, [] if same else [Document(resource, identified(raw), raw) for raw in some], None, digest, same)

    def pull(self) -> Iterator[Page | Finished | Cursor]:
        self.provider.pulls += 1
        for resource in RESOURCES:
            if resource.name == self.provider.refuses:
                yield Finished(resource.name, f"{resource.name} are not to be had")
                continue
            yield from self._pages(resource.name, self.provider.lists[resource.name])
            yield Finished(resource.name)
        yield Cursor(1)

    def changes(self, cursor: Any) -> Iterator[Page | Cursor]:
        for resource, documents in self.provider.changes.items():
            yield Page(resource, [Document(resource, identified(raw), raw) for raw in documents])
        yield Cursor(cursor + 1)

    def ask(self, resource: str, record_id: str) -> Presence:
        return Presence.FOUND if record_id in self.provider.there else Presence.GONE

    def read(self, document: Document) -> Reading:
        self.provider.read.append(f"{document.resource} {document.id}")
        return read(document)

    def probe(self) -> str:
        return ""


def identified(raw: bytes) -> str:
    return str(json.loads(raw)["sourcedId"])


def document(record_id: str, **fields: Any) -> bytes:
    return json.dumps({"sourcedId": record_id, "status": "active", **fields}).encode()


def student(number: int, **fields: Any) -> bytes:
    named = {"givenName": "Kid", "familyName": f"No{number}", "role": "student", "identifier": str(number)}
    return document(f"u{number:03}", **named, orgs=[{"sourcedId": "o1"}], **fields)


def enrolled(number: int, **fields: Any) -> bytes:
    return document(f"e{number:03}", user={"sourcedId": f"u{number:03}"}, **{"class": {"sourcedId": "c1"}}, role="student", **fields)


class Provider:
    """A district of one school, one section and some students, in a store of its own."""

    def __init__(self, folder: Path, students: int = 20) -> None:
        self.store = open_store(stores.url(folder))
        self.page = 4
        self.lists: dict[str, list[bytes]] = {
            "orgs": [document("o1", name="Lincoln", type="school")],
            "classes": [document("c1", title="Algebra", school={"sourcedId": "o1"})],
            "users": [student(number) for number in range(students)],
            "enrollments": [enrolled(number) for number in range(students)],
            "demographics": [],
        }
        self.changes: dict[str, list[bytes]] = {}
        self.there: set[str] = set()
        self.refuses: str | None = None
        self.read: list[str] = []
        self.whole = self.pulls = 0

    def sync(self, **options: Any) -> RunReport:
        self.read, self.whole, self.pulls = [], 0, 0
        options.setdefault("limits", OPEN)
        report = run(self.store, Order("springfield", lambda context: Lists(self, context), **options), Context("springfield"))
        assert report.state in (State.APPLIED, State.HELD, State.PLANNED), report.error
        return report

    def users(self, status: str = "active") -> dict[str, dict[str, Any]]:
        return {record["id"]: record for record in roster.records(self.store, "user", "springfield", status=status)}

    def replace(self, resource: str, old: str, new: bytes) -> None:
        """Another version of a document, at its place."""
        self.lists[resource] = [new if identified(raw) == old else raw for raw in self.lists[resource]]

    def leave(self, resource: str, record_id: str) -> None:
        self.lists[resource] = [raw for raw in self.lists[resource] if identified(raw) != record_id]


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    made = Provider(tmp_path)
    made.sync()
    yield made
    made.store.close()


def equal_to_reading_all(provider: Provider) -> bool:
    """Whether a run that reads everything finds nothing to change."""
    report = provider.sync(anew=True, dry_run=True)
    return not any(counts.created or counts.updated or counts.reactivated or counts.deactivated for counts in report.counts.values())


def test_the_same_again_reads_nothing_and_says_so_in_the_same_words(provider: Provider) -> None:
    before = provider.sync(anew=True)
    again = provider.sync()
    assert provider.read == [] and provider.whole == 12
    assert again.counts == before.counts and again.counts["users"].unchanged == again.counts["users"].seen == 20


def test_what_a_source_sends_wrong_is_told_by_each_run_though_nothing_is_read(provider: Provider) -> None:
    provider.replace("users", "u003", document("u003", role="student", orgs=[{"sourcedId": "o1"}]))
    first = provider.sync()
    assert first.quality["no-name"] == 1
    for _ in range(2):
        assert provider.sync().quality == first.quality
        assert provider.read == []


def test_one_that_changes_is_the_one_that_is_read(provider: Provider) -> None:
    provider.replace("users", "u007", student(7, email="kid7@example.org"))
    report = provider.sync()
    assert provider.read == ["users u007"]
    assert report.counts["users"].updated == 1 and report.counts["users"].unchanged == 19
    assert provider.users()["u007"]["email"] == "kid7@example.org"


def test_one_that_comes_first_and_shifts_all_the_others_is_the_one_that_is_read(provider: Provider) -> None:
    provider.lists["users"].insert(0, document("a", givenName="New", familyName="Kid", role="student", identifier="9"))
    report = provider.sync()
    assert provider.read == ["users a"]
    assert report.counts["users"].created == 1 and report.counts["users"].unchanged == 20
    assert equal_to_reading_all(provider)
    provider.sync()
    assert provider.read == []


def test_one_that_leaves_goes_and_its_enrollment_is_told_of(provider: Provider) -> None:
    provider.leave("users", "u004")
    report = provider.sync()
    assert provider.read == []
    assert report.counts["users"].deactivated == 1 and "u004" not in provider.users()
    assert report.quality["no-such-record"] == provider.sync(anew=True, dry_run=True).quality["no-such-record"] == 1


@pytest.mark.parametrize("order", [reversed, lambda documents: sorted(documents, key=fingerprint)], ids=["backwards", "at random"])
def test_another_order_of_the_list_changes_nothing(provider: Provider, order: Callable[[list[bytes]], Iterator[bytes]]) -> None:
    provider.lists["users"] = list(order(provider.lists["users"]))
    report = provider.sync()
    assert provider.read == [] and report.counts["users"].unchanged == 20


def test_a_list_too_long_to_look_through_is_read_where_it_is_in_another_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "REACH", 16)
    monkeypatch.setattr(known, "LEAST_PAGES", 2)
    provider = Provider(tmp_path, students=60)
    provider.sync()
    provider.lists["users"].insert(0, student(99))
    provider.sync()
    assert provider.read == ["users u099"]
    provider.lists["users"] = provider.lists["users"][::-1]
    report = provider.sync()
    assert 0 < len(provider.read) < 61 and report.counts["users"].unchanged == 61
    assert equal_to_reading_all(provider)


def test_the_same_in_other_words_is_read_and_changes_nothing(provider: Provider) -> None:
    for resource, documents in provider.lists.items():
        provider.lists[resource] = [json.dumps(dict(reversed(json.loads(raw).items())), indent=1).encode() for raw in documents]
    report = provider.sync()
    assert len(provider.read) == 42
    assert report.counts["users"].unchanged == 20 and report.counts["users"].updated == 0
    provider.sync()
    assert provider.read == []


def test_what_another_reader_read_is_read_again(provider: Provider) -> None:
    provider.sync(reader="the next version")
    assert len(provider.read) == 42
    provider.sync(reader="the next version")
    assert provider.read == []


def test_what_is_held_is_read_and_held_again_until_it_is_approved(provider: Provider) -> None:
    strict = GuardSettings(max_deactivations=0, max_updates=0, floor=0)
    provider.replace("users", "u005", student(5, email="kid5@example.org"))
    provider.leave("enrollments", "e006")
    first = provider.sync(limits=strict)
    again = provider.sync(limits=strict)
    assert "users u005" in provider.read
    assert [(held.kind, held.action, held.count) for held in first.held] == [(held.kind, held.action, held.count) for held in again.held]
    assert again.state == State.HELD and provider.users()["u005"]["email"] is None
    provider.sync(approves=again.run, trigger=Trigger.APPROVE)
    assert provider.users()["u005"]["email"] == "kid5@example.org"
    assert provider.sync().state == State.APPLIED
    assert equal_to_reading_all(provider)


def test_who_did_not_come_and_answered_is_asked_again_the_next_time(provider: Provider) -> None:
    provider.leave("users", "u008")
    provider.there.add("u008")
    assert provider.sync().counts["users"].confirmed == 1
    assert provider.sync().counts["users"].confirmed == 1
    provider.there.clear()
    assert provider.sync().counts["users"].deactivated == 1


def test_a_change_between_two_full_pulls_that_the_second_one_takes_back(provider: Provider) -> None:
    provider.changes = {"users": [student(2, email="kid2@example.org")]}
    assert provider.sync(mode=Mode.INCREMENTAL).counts["users"].updated == 1
    report = provider.sync()
    assert provider.read == ["users u002"] and report.counts["users"].updated == 1
    assert provider.users()["u002"]["email"] is None


def test_somebody_who_came_between_two_full_pulls_and_is_not_in_the_second_one_goes(provider: Provider) -> None:
    provider.changes = {"users": [student(77)]}
    provider.sync(mode=Mode.INCREMENTAL)
    assert "u077" in provider.users()
    assert provider.sync().counts["users"].deactivated == 1


def test_somebody_who_left_between_two_full_pulls_and_is_in_the_second_one_is_back(provider: Provider) -> None:
    provider.changes = {"users": [json.dumps({"sourcedId": "u002", "status": "tobedeleted"}).encode()]}
    provider.sync(mode=Mode.INCREMENTAL)
    assert "u002" not in provider.users()
    assert provider.sync().counts["users"].reactivated == 1


def test_a_document_that_comes_as_it_is_known_and_in_another_version_too(provider: Provider) -> None:
    """Which of the two is right only their dates tell, and those stand in documents that have to be read."""
    provider.replace("users", "u001", student(1, dateLastModified="2026-09-02T00:00:00Z"))
    provider.sync()
    provider.lists["users"].append(student(1, email="old@example.org", dateLastModified="2026-09-01T00:00:00Z"))
    provider.sync()
    assert provider.pulls == 2 and provider.users()["u001"]["email"] is None
    provider.lists["users"][-1] = student(1, email="new@example.org", dateLastModified="2026-09-03T00:00:00Z")
    provider.sync()
    assert provider.users()["u001"]["email"] == "new@example.org"


def test_a_page_that_comes_twice_is_no_other_version(provider: Provider) -> None:
    provider.lists["users"] += provider.lists["users"][:6]
    report = provider.sync()
    assert provider.pulls == 1 and report.counts["users"].unchanged == report.counts["users"].seen == 20
    del provider.lists["users"][20:]
    report = provider.sync()
    assert provider.pulls == 1 and report.counts["users"].deactivated == 0 and report.counts["users"].unchanged == 20


def test_a_list_that_is_refused_once_is_read_whole_when_it_is_back(provider: Provider) -> None:
    provider.refuses = "users"
    assert provider.sync().counts["users"].deactivated == 0
    provider.refuses = None
    provider.leave("users", "u009")
    report = provider.sync()
    assert len(provider.read) == 19 and report.counts["users"].deactivated == 1


def test_a_guardian_who_goes_is_no_longer_named_by_a_student_whose_document_did_not_change(provider: Provider) -> None:
    provider.replace("users", "u010", student(10, agents=[{"sourcedId": "g1"}]))
    provider.lists["users"].append(document("g1", givenName="Ma", familyName="No10", role="guardian"))
    provider.sync()
    assert provider.users()["u010"]["guardian_ids"] == ["g1"]
    provider.leave("users", "g1")
    report = provider.sync()
    assert provider.read == [] and report.counts["users"].updated == 1
    assert provider.users()["u010"]["guardian_ids"] == []
    provider.lists["users"].append(document("g1", givenName="Ma", familyName="No10", role="guardian"))
    provider.sync()
    assert provider.read == ["users g1"] and provider.users()["u010"]["guardian_ids"] == ["g1"]


def test_the_naming_of_a_guardian_that_was_held_is_planned_again(provider: Provider) -> None:
    provider.replace("users", "u010", student(10, agents=[{"sourcedId": "g1"}]))
    provider.lists["users"].append(document("g1", givenName="Ma", familyName="No10", role="guardian"))
    provider.sync()
    provider.leave("users", "g1")
    nobody = GuardSettings(max_updates=0, floor=0, max_deactivations="100%")
    for _ in range(2):
        report = provider.sync(limits=nobody)
        assert [(held.kind, held.action) for held in report.held] == [("users", "update")]
    provider.sync()
    assert provider.users()["u010"]["guardian_ids"] == []


def test_demographics_that_go_leave_the_person(provider: Provider) -> None:
    provider.lists["demographics"] = [document(f"u{number:03}", birthDate="2014-05-05", sex="female") for number in range(6)]
    assert provider.sync().counts["users"].updated == 6
    provider.lists["users"][3] = student(3, email="kid3@example.org")
    provider.leave("demographics", "u004")
    provider.sync()
    users = provider.users()
    assert users["u003"]["birth_date"] == "2014-05-05" and users["u003"]["email"] and users["u004"]["birth_date"] is None
    assert equal_to_reading_all(provider)


def test_who_waits_to_be_enrolled_is_read_again_until_the_missing_one_comes(provider: Provider) -> None:
    provider.lists["enrollments"].append(enrolled(50))
    assert provider.sync().counts["enrollments"].created == 0
    provider.lists["users"].append(student(50))
    report = provider.sync()
    assert sorted(provider.read) == ["enrollments e050", "users u050"] and report.counts["enrollments"].created == 1


def test_a_document_with_a_problem_is_read_each_time(provider: Provider) -> None:
    provider.lists["users"].append(student(60, status="dormant"))
    first = provider.sync()
    again = provider.sync()
    assert provider.read == ["users u060"] and again.quality == first.quality and again.quality["unknown-word"] == 1


def test_after_an_undo_everything_is_read_again(provider: Provider) -> None:
    provider.replace("users", "u007", student(7, email="kid7@example.org"))
    provider.sync(undoes=provider.sync().run, trigger=Trigger.UNDO)
    assert provider.users()["u007"]["email"] is None
    report = provider.sync()
    assert len(provider.read) == 42 and [held.rule for held in report.held] == ["undone"]


def test_a_person_who_was_forgotten_and_is_still_sent_is_read_again(provider: Provider) -> None:
    purge.forget(provider.store, "springfield", "u006", datetime.now(UTC), by=OPERATOR, force=True)
    report = provider.sync()
    assert len(provider.read) == 42 and report.counts["users"].updated + report.counts["users"].reactivated == 1


def test_an_unchanged_pull_leaves_its_pages_as_they_are(provider: Provider) -> None:
    with provider.store.read() as connection:
        before = connection.execute(select(kept).order_by(*kept.primary_key.columns)).all()
    provider.sync()
    provider.lists["users"].pop()
    provider.leave("enrollments", "e019")
    provider.sync()
    with provider.store.read() as connection:
        after = connection.execute(select(kept).order_by(*kept.primary_key.columns)).all()
    changed = [one for one in before if one not in after]
    assert {(page.resource, page.number) for page in changed} == {("users", 4), ("enrollments", 4)}


def test_more_unsettled_documents_than_can_be_looked_up_and_everything_is_read(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MOST_UNSETTLED", 3)
    provider.changes = {"users": [student(number, email=f"kid{number}@example.org") for number in range(5)]}
    provider.sync(mode=Mode.INCREMENTAL)
    with provider.store.read() as connection:
        assert connection.execute(select(func.count()).select_from(kept)).scalar_one() == 0
    assert provider.sync().counts["users"].updated == 5 and len(provider.read) == 42


@pytest.mark.parametrize("few", [absent.FEW, 0])
def test_who_did_not_come_is_found_however_many_those_are(provider: Provider, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr(absent, "FEW", few)
    provider.lists["users"].append(student(5))
    provider.sync()
    # Who stood twice stands once; one goes, one changes, one comes.
    del provider.lists["users"][5]
    provider.leave("enrollments", "e010")
    provider.leave("users", "u010")
    provider.replace("users", "u003", student(3, email="kid3@example.org"))
    provider.lists["users"].insert(0, student(50))
    report = provider.sync()
    assert (report.counts["users"].created, report.counts["users"].updated, report.counts["users"].deactivated) == (1, 1, 1)
    assert set(provider.users("inactive")) == {"u010"} and "u005" in provider.users()
    assert len(provider.read) == 2 and equal_to_reading_all(provider)


def test_what_is_odd_among_known_and_new_is_told_as_if_all_were_read(provider: Provider) -> None:
    def taught(record_id: str, student: int, role: str = "student") -> bytes:
        return document(record_id, user={"sourcedId": f"u{student:03}"}, **{"class": {"sourcedId": "c2"}}, role=role)

    def send(resource: str, *documents: bytes) -> Callable[[], object]:
        return lambda: provider.lists[resource].extend(documents)

    def say(number: int, email: str) -> Callable[[], object]:
        return lambda: provider.replace("users", f"u{number:03}", student(number, email=email))

    steps: list[tuple[Callable[[], object], dict[str, int]]] = [
        (lambda: None, {"no-teacher": 1}),
        (say(6, "six@example.org"), {"no-teacher": 1}),
        (say(7, "SIX@example.org"), {"no-teacher": 1, "two-users-one-email": 2}),
        (say(8, "eight@example.org"), {"no-teacher": 1, "two-users-one-email": 2}),
        (say(6, "eight@example.org"), {"no-teacher": 1, "two-users-one-email": 2}),
        (lambda: [provider.leave(*one) for one in (("users", "u008"), ("enrollments", "e008"))], {"no-teacher": 1}),
        (send("classes", document("c2", title="Art", school={"sourcedId": "o1"})), {"no-teacher": 2, "no-student": 1}),
        (send("enrollments", taught("x1", 1), taught("x2", 2)), {"no-teacher": 2}),
        (lambda: provider.leave("enrollments", "x1"), {"no-teacher": 2}),
        (lambda: provider.replace("enrollments", "x2", taught("x2", 2, "teacher")), {"no-teacher": 1, "no-student": 1}),
        (lambda: provider.leave("enrollments", "x2"), {"no-teacher": 2, "no-student": 1}),
        (lambda: provider.leave("classes", "c2"), {"no-teacher": 1}),
    ]
    for change, odd in steps:
        change()
        assert provider.sync().quality == odd
        assert provider.sync(anew=True, dry_run=True).quality == odd
