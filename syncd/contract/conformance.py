"""The suite that every connector passes. It asks its author for one thing, a pretend source that can misbehave on order.

Subclass `Conformance` in a test file of your own and fill in `pretend`; pytest finds the tests by inheritance:

    class TestMine(Conformance):
        @pytest.fixture
        def pretend(self) -> Pretend:
            return MyPretend()

The pretend source answers through the `responses` library, so that the connector's own HTTP code runs. Needs pytest and responses.
"""

import json
import re
import socket
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import pytest
import responses

from syncd.contract.connector import Connector, ConnectorSettings, Context
from syncd.contract.document import Cursor, Document, Finished, Page, Presence
from syncd.errors import BadAnswer, SignInRefused, SourceError, SourceUnavailable
from syncd.roster.kinds import KINDS
from syncd.roster.scope import Scope
from syncd.secret import Secret

CANARY_SECRET = "canary-secret-4711"  # nosec B105  # opens nothing: the tests look for it
CANARY_NAME = "Canaryname"

# What a source may send in any field.
ODD_VALUES: tuple[Any, ...] = (
    None, "", "   ", 0, -1, 1.5, True, [], {}, [None], [[]], {"a": {"b": []}}, "\x00", "\ud800", "2026-02-30", "9999-99-99",
    10**30, "x" * 100_000, ["a", 1, None, {}], {"sourcedId": None}, {"sourcedId": []}, "\u202eevil", "é" * 10,
)  # fmt: skip


class Pretend(ABC):
    """A source of a handful of records, behind `responses`.

    connector: the class under test. settings(): its settings, with CANARY_SECRET as the secret. serve(mock): register the answers of a
    healthy source, paged, so that at least one resource has two pages; one person's family name is CANARY_NAME. resource: a resource
    with documents, not the first one asked. sample(): a healthy document of that resource as a dict.
    """

    connector: type[Connector]
    resource: str

    @abstractmethod
    def settings(self) -> ConnectorSettings: ...

    @abstractmethod
    def serve(self, mock: responses.RequestsMock) -> None: ...

    @abstractmethod
    def sample(self) -> dict[str, Any]: ...

    @abstractmethod
    def address(self) -> str:
        """The address of the first page of `resource`, without a query."""

    def serve_one(self, mock: responses.RequestsMock, record_id: str, presence: Presence) -> None:
        """Answer so when one record of `resource` is asked for, FOUND with a document of that id. Needed if `abilities.one`; CANNOT_TELL is
        a 403."""
        raise NotImplementedError

    def serve_changes(self, mock: responses.RequestsMock) -> Any:
        """Answer as a source of which one document of `resource` has changed; gives the cursor before that. Needed if
        `abilities.incremental`."""
        raise NotImplementedError

    def serve_part(self, mock: responses.RequestsMock, kind: str) -> str:
        """Answer what is asked about one school or one user (kind), and nothing that is asked about everybody; gives the school's or the
        user's id. Needed if `abilities.scopes` names the kind."""
        raise NotImplementedError


class Conformance(ABC):
    """The tests. Each gets a healthy source and breaks one thing."""

    @pytest.fixture
    @abstractmethod
    def pretend(self) -> Pretend: ...

    @pytest.fixture
    def waits(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """How long the connector wanted to wait; nothing really waits."""
        waited: list[float] = []
        monkeypatch.setattr(Context, "wait", lambda _context, seconds: waited.append(seconds))
        return waited

    @pytest.fixture
    def mock(self, pretend: Pretend, monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> Iterator[responses.RequestsMock]:
        monkeypatch.setenv("CANARY", CANARY_SECRET)
        with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
            pretend.serve(mock)
            yield mock

    def _connector(self, pretend: Pretend) -> Connector:
        return pretend.connector(pretend.settings(), Context("springfield"))

    def _pull(self, pretend: Pretend) -> tuple[list[Document], dict[str, str | None]]:
        connector = self._connector(pretend)
        documents: list[Document] = []
        ends: dict[str, str | None] = {}
        for item in connector.pull():
            if isinstance(item, Finished):
                ends[item.resource] = item.doubt
            elif isinstance(item, Page):
                documents += item.documents
        connector.close()
        return documents, ends

    def _broken(self, pretend: Pretend, mock: responses.RequestsMock, **answer: Any) -> None:
        """Answer the pages of one resource so, instead of as a healthy source does."""
        for registered in list(mock.registered()):
            if str(registered.url).split("?")[0] == pretend.address():
                mock.remove(registered)
        mock.get(pretend.address(), **answer)

    # ── what it declares ──────────────────────────────────────────────────────────────────────────

    def test_it_declares_settings_that_refuse_unknown_keys_without_repeating_them(self, pretend: Pretend) -> None:
        with pytest.raises(ValueError, match="extra") as refused:
            pretend.connector.settings_model.model_validate({"no_such_key": CANARY_SECRET})
        assert CANARY_SECRET not in str(refused.value)

    def test_its_resources_state_kinds_that_exist(self, pretend: Pretend, mock: responses.RequestsMock) -> None:
        resources = self._connector(pretend).resources()
        assert len({resource.name for resource in resources}) == len(resources)
        assert {kind for resource in resources for kind in resource.kinds} <= KINDS.keys()

    def test_making_one_asks_nothing(self, pretend: Pretend, mock: responses.RequestsMock) -> None:
        self._connector(pretend).resources()
        assert len(mock.calls) == 0

    def test_closing_twice_does_no_harm(self, pretend: Pretend, mock: responses.RequestsMock) -> None:
        connector = self._connector(pretend)
        connector.probe()
        connector.close()
        connector.close()

    # ── pulling ───────────────────────────────────────────────────────────────────────────────────

    def test_a_healthy_pull_ends_every_resource_without_a_doubt(self, pretend: Pretend, mock: responses.RequestsMock) -> None:
        documents, ends = self._pull(pretend)
        assert ends == {resource.name: None for resource in self._connector(pretend).resources()}
        assert {document.resource for document in documents} <= ends.keys()

    def test_pages_arrive_lazily(self, pretend: Pretend, mock: responses.RequestsMock) -> None:
        pages = self._connector(pretend).pull()
        assert isinstance(next(pages), Page)
        asked = len(mock.calls)
        assert sum(1 for item in pages if isinstance(item, Page)) > 0
        assert len(mock.calls) > asked

    def test_the_same_source_gives_the_same_documents_and_fingerprints(self, pretend: Pretend, mock: responses.RequestsMock) -> None:
        first, second = self._pull(pretend)[0], self._pull(pretend)[0]
        assert [(one.id, one.fingerprint) for one in first] == [(one.id, one.fingerprint) for one in second]
        assert len({(one.resource, one.id) for one in first}) == len(first)

    def test_a_probe_says_what_it_found_without_naming_anybody(self, pretend: Pretend, mock: responses.RequestsMock) -> None:
        found = self._connector(pretend).probe()
        assert found and CANARY_NAME not in found and CANARY_SECRET not in found

    def test_traffic_is_counted(self, pretend: Pretend, mock: responses.RequestsMock) -> None:
        context = Context("springfield")
        list(pretend.connector(pretend.settings(), context).pull())
        assert context.traffic.requests == len(mock.calls) and context.traffic.bytes > 0

    # ── misbehaviour ──────────────────────────────────────────────────────────────────────────────

    @pytest.mark.parametrize("status", [500, 503])
    def test_a_lasting_server_fault_ends_the_pull_after_bounded_tries(
        self, status: int, pretend: Pretend, mock: responses.RequestsMock, waits: list[float]
    ) -> None:
        self._broken(pretend, mock, status=status)
        with pytest.raises(SourceUnavailable) as told:
            self._pull(pretend)
        assert 1 <= len(waits) <= 10
        assert str(status) in str(told.value) and "springfield" in str(told.value)

    def test_a_wait_that_is_asked_for_is_kept(self, pretend: Pretend, mock: responses.RequestsMock, waits: list[float]) -> None:
        self._broken(pretend, mock, status=429, headers={"Retry-After": "7"})
        with pytest.raises(SourceUnavailable):
            self._pull(pretend)
        assert set(waits) == {7.0}

    def test_a_429_that_says_nothing_is_met_with_growing_waits(
        self, pretend: Pretend, mock: responses.RequestsMock, waits: list[float]
    ) -> None:
        self._broken(pretend, mock, status=429)
        with pytest.raises(SourceUnavailable):
            self._pull(pretend)
        assert waits and max(waits) <= 60

    def test_refused_credentials_are_told_and_never_hammered(
        self, pretend: Pretend, mock: responses.RequestsMock, waits: list[float]
    ) -> None:
        self._broken(pretend, mock, status=401)
        with pytest.raises(SignInRefused):
            self._pull(pretend)
        assert waits == []
        assert sum(str(call.request.url).startswith(pretend.address()) for call in mock.calls) <= 2

    def test_a_list_that_is_refused_is_a_doubt_and_no_empty_list(self, pretend: Pretend, mock: responses.RequestsMock) -> None:
        self._broken(pretend, mock, status=403)
        documents, ends = self._pull(pretend)
        assert ends[pretend.resource]
        assert not [one for one in documents if one.resource == pretend.resource]
        assert [name for name, doubt in ends.items() if doubt] == [pretend.resource]

    @pytest.mark.parametrize(
        "body",
        ["<html><body>Sign in</body></html>", '{"error": "no"}', "[]", "7", "null", '"text"', '{"data": 5}', "", "{", '{"data": [{"da'],
    )
    def test_an_answer_that_is_no_list_is_an_error_and_never_fewer_records(
        self, body: str, pretend: Pretend, mock: responses.RequestsMock
    ) -> None:
        self._broken(pretend, mock, body=body)
        with pytest.raises(SourceError):
            self._pull(pretend)

    def test_a_redirect_to_another_host_is_not_followed(self, pretend: Pretend, mock: responses.RequestsMock) -> None:
        self._broken(pretend, mock, status=302, headers={"Location": "https://elsewhere.example.net/x"})
        with pytest.raises(BadAnswer):
            self._pull(pretend)
        assert not [call for call in mock.calls if "elsewhere" in str(call.request.url)]

    # ── reading ───────────────────────────────────────────────────────────────────────────────────

    def test_reading_a_healthy_source_gives_records_and_no_problem(self, pretend: Pretend, mock: responses.RequestsMock) -> None:
        documents, _ = self._pull(pretend)
        connector = self._connector(pretend)
        stated = {resource.name: resource.kinds for resource in connector.resources()}
        for document in documents:
            reading = connector.read(document)
            assert not reading.problems
            assert {record.kind for record in reading.records} <= set(stated[document.resource])

    def test_reading_opens_no_socket(self, pretend: Pretend, mock: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch) -> None:
        documents, _ = self._pull(pretend)
        connector = self._connector(pretend)

        def refuse(*_: Any, **__: Any) -> None:
            raise AssertionError("reading opened a socket")

        monkeypatch.setattr(socket, "socket", refuse)
        for document in documents:
            connector.read(document)

    def test_any_value_in_any_field_gives_a_record_or_a_reason(self, pretend: Pretend, mock: responses.RequestsMock) -> None:
        connector, sample = self._connector(pretend), pretend.sample()
        for field in (*sample, "never_heard_of"):
            for value in ODD_VALUES:
                raw = json.dumps({**sample, field: value}).encode()
                reading = connector.read(Document(pretend.resource, "x1", raw))
                assert reading.records or reading.problems or reading.parts, (field, str(value)[:20])

    def test_absent_fields_give_a_record_or_a_reason(self, pretend: Pretend, mock: responses.RequestsMock) -> None:
        connector, sample = self._connector(pretend), pretend.sample()
        for field in sample:
            left = {name: value for name, value in sample.items() if name != field}
            reading = connector.read(Document(pretend.resource, "x1", json.dumps(left).encode()))
            assert reading.records or reading.problems or reading.parts, field

    @pytest.mark.parametrize("raw", [b"", b"{", b"null", b"[]", b"7", b"\xff\xfe", b"[" * 20_000, b'{"id": {}, "sourcedId": {}}'])
    def test_what_is_no_record_is_a_reason(self, raw: bytes, pretend: Pretend, mock: responses.RequestsMock) -> None:
        reading = self._connector(pretend).read(Document(pretend.resource, None, raw))
        assert not reading.records and any(problem.fatal for problem in reading.problems)

    # ── abilities ─────────────────────────────────────────────────────────────────────────────────

    @pytest.mark.parametrize("presence", list(Presence))
    def test_found_gone_and_cannot_tell_are_three_answers(self, presence: Presence, pretend: Pretend, mock: responses.RequestsMock) -> None:
        if not pretend.connector.abilities.one:
            with pytest.raises(NotImplementedError):
                self._connector(pretend).ask(pretend.resource, "x1")
            return
        pretend.serve_one(mock, "x1", presence)
        assert self._connector(pretend).ask(pretend.resource, "x1") is presence

    def test_a_record_that_is_found_comes_as_its_document(self, pretend: Pretend, mock: responses.RequestsMock) -> None:
        if not pretend.connector.abilities.one:
            with pytest.raises(NotImplementedError):
                self._connector(pretend).find(pretend.resource, "x1")
            return
        pretend.serve_one(mock, "x1", Presence.FOUND)
        connector = self._connector(pretend)
        found = connector.find(pretend.resource, "x1")
        assert isinstance(found, Document) and (found.resource, found.id) == (pretend.resource, "x1")
        assert connector.read(found).records

    @pytest.mark.parametrize("kind", ["school", "user"])
    def test_a_part_is_whole_documents_of_what_belongs_to_it(self, kind: Any, pretend: Pretend, mock: responses.RequestsMock) -> None:
        connector = self._connector(pretend)
        if kind not in connector.abilities.scopes:
            with pytest.raises(NotImplementedError):
                list(connector.part(Scope(kind, "x1")))
            return
        assert connector.abilities.one, "who is not in a part has to be asked for"
        resources = {resource.name: resource for resource in connector.resources()}
        items = list(connector.part(Scope(kind, pretend.serve_part(mock, kind))))
        ends = [item for item in items if isinstance(item, Finished)]
        documents = [document for item in items if isinstance(item, Page) for document in item.documents]
        assert ends and not [end for end in ends if end.doubt] and documents
        assert {end.resource for end in ends} | {document.resource for document in documents} <= resources.keys()
        for document in documents:
            reading = connector.read(document)
            assert not reading.problems and {record.kind for record in reading.records} <= set(resources[document.resource].kinds)

    @pytest.mark.parametrize("kind", ["school", "user"])
    def test_a_part_that_is_refused_is_a_doubt_or_an_error_and_no_empty_part(
        self, kind: Any, pretend: Pretend, mock: responses.RequestsMock
    ) -> None:
        connector = self._connector(pretend)
        if kind not in connector.abilities.scopes:
            return
        scope = Scope(kind, pretend.serve_part(mock, kind))
        for registered in [one for one in mock.registered() if one.method == responses.GET]:
            mock.remove(registered)
        mock.get(re.compile(".*"), status=403)
        try:
            items = list(connector.part(scope))
        except SourceError:
            return
        assert [item for item in items if isinstance(item, Finished) and item.doubt]
        assert not [item for item in items if isinstance(item, Page) and item.documents]

    def test_changes_are_whole_documents_and_end_with_a_cursor(self, pretend: Pretend, mock: responses.RequestsMock) -> None:
        if not pretend.connector.abilities.incremental:
            with pytest.raises(NotImplementedError):
                list(self._connector(pretend).changes(None))
            return
        cursor = pretend.serve_changes(mock)
        connector = self._connector(pretend)
        *pages, last = list(connector.changes(cursor))
        assert isinstance(last, Cursor) and json.loads(json.dumps(last.value)) == last.value
        documents = [document for page in pages if isinstance(page, Page) for document in page.documents]
        assert [document.resource for document in documents] == [pretend.resource]
        assert connector.read(documents[0]).records

    # ── privacy ───────────────────────────────────────────────────────────────────────────────────

    def test_no_secret_and_no_name_in_any_error_or_repr(self, pretend: Pretend, mock: responses.RequestsMock) -> None:
        told = [repr(pretend.settings()), repr(self._connector(pretend))]
        for answer in ({"status": 401}, {"status": 500}, {"body": f'{{"error": "{CANARY_NAME} {CANARY_SECRET}"}}'}):
            self._broken(pretend, mock, **answer)
            try:
                self._pull(pretend)
            except SourceError as problem:
                told += [str(problem), repr(problem)]
        assert len(told) > 3
        assert not [text for text in told if CANARY_NAME in text or CANARY_SECRET in text]


def canary() -> Secret:
    """The secret that a pretend source's settings use."""
    return Secret(env="CANARY")
