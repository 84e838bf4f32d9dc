"""The suite for a connector that asks a service over HTTP. The pretend service answers through the `responses` library, so that the
connector's own HTTP code runs, and misbehaves on order."""

import json
import re
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import pytest
import responses

from syncd.contract.conformance.every import CANARY_NAME, CANARY_SECRET, Conformance, Pretend
from syncd.contract.connector import Context
from syncd.contract.document import Cursor, Document, Finished, Page, Presence
from syncd.errors import BadAnswer, SignInRefused, SourceError, SourceUnavailable
from syncd.roster.scope import Scope


class PretendService(Pretend):
    """A service that answers."""

    @abstractmethod
    def serve(self, mock: responses.RequestsMock) -> None:
        """Register the answers of a healthy service, paged, so that at least one resource has two pages."""

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


class OverHttp(Conformance):
    """Each test gets a healthy service and breaks one thing."""

    @pytest.fixture
    @abstractmethod
    def pretend(self) -> PretendService: ...

    @pytest.fixture
    def healthy(self, mock: responses.RequestsMock) -> None:
        return

    @pytest.fixture
    def waits(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """How long the connector wanted to wait; nothing really waits."""
        waited: list[float] = []
        monkeypatch.setattr(Context, "wait", lambda _context, seconds: waited.append(seconds))
        return waited

    @pytest.fixture
    def mock(self, pretend: PretendService, monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> Iterator[responses.RequestsMock]:
        monkeypatch.setenv("CANARY", CANARY_SECRET)
        with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
            pretend.serve(mock)
            yield mock

    def _broken(self, pretend: PretendService, mock: responses.RequestsMock, **answer: Any) -> None:
        """Answer the pages of one resource so, instead of as a healthy source does."""
        for registered in list(mock.registered()):
            if str(registered.url).split("?")[0] == pretend.address():
                mock.remove(registered)
        mock.get(pretend.address(), **answer)

    # ── what it declares ──────────────────────────────────────────────────────────────────────────

    def test_making_one_asks_nothing(self, pretend: PretendService, mock: responses.RequestsMock) -> None:
        pretend.made().resources()
        assert len(mock.calls) == 0

    # ── pulling ───────────────────────────────────────────────────────────────────────────────────

    def test_a_healthy_pull_ends_every_resource_without_a_doubt(self, pretend: PretendService, mock: responses.RequestsMock) -> None:
        documents, ends = self._pull(pretend)
        assert ends == {resource.name: None for resource in pretend.made().resources()}
        assert {document.resource for document in documents} <= ends.keys()

    def test_pages_arrive_lazily(self, pretend: PretendService, mock: responses.RequestsMock) -> None:
        pages = pretend.made().pull()
        assert isinstance(next(pages), Page)
        asked = len(mock.calls)
        assert sum(1 for item in pages if isinstance(item, Page)) > 0
        assert len(mock.calls) > asked

    def test_traffic_is_counted(self, pretend: PretendService, mock: responses.RequestsMock) -> None:
        context = Context("springfield")
        list(pretend.made(context).pull())
        assert context.traffic.requests == len(mock.calls) and context.traffic.bytes > 0

    # ── misbehaviour ──────────────────────────────────────────────────────────────────────────────

    @pytest.mark.parametrize("status", [500, 503])
    def test_a_lasting_server_fault_ends_the_pull_after_bounded_tries(
        self, status: int, pretend: PretendService, mock: responses.RequestsMock, waits: list[float]
    ) -> None:
        self._broken(pretend, mock, status=status)
        with pytest.raises(SourceUnavailable) as told:
            self._pull(pretend)
        assert 1 <= len(waits) <= 10
        assert str(status) in str(told.value) and "springfield" in str(told.value)

    def test_a_wait_that_is_asked_for_is_kept(self, pretend: PretendService, mock: responses.RequestsMock, waits: list[float]) -> None:
        self._broken(pretend, mock, status=429, headers={"Retry-After": "7"})
        with pytest.raises(SourceUnavailable):
            self._pull(pretend)
        assert set(waits) == {7.0}

    def test_a_429_that_says_nothing_is_met_with_growing_waits(
        self, pretend: PretendService, mock: responses.RequestsMock, waits: list[float]
    ) -> None:
        self._broken(pretend, mock, status=429)
        with pytest.raises(SourceUnavailable):
            self._pull(pretend)
        assert waits and max(waits) <= 60

    def test_refused_credentials_are_told_and_never_hammered(
        self, pretend: PretendService, mock: responses.RequestsMock, waits: list[float]
    ) -> None:
        self._broken(pretend, mock, status=401)
        with pytest.raises(SignInRefused):
            self._pull(pretend)
        assert waits == []
        assert sum(str(call.request.url).startswith(pretend.address()) for call in mock.calls) <= 2

    def test_a_list_that_is_refused_is_a_doubt_and_no_empty_list(self, pretend: PretendService, mock: responses.RequestsMock) -> None:
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
        self, body: str, pretend: PretendService, mock: responses.RequestsMock
    ) -> None:
        self._broken(pretend, mock, body=body)
        with pytest.raises(SourceError):
            self._pull(pretend)

    def test_a_redirect_to_another_host_is_not_followed(self, pretend: PretendService, mock: responses.RequestsMock) -> None:
        self._broken(pretend, mock, status=302, headers={"Location": "https://elsewhere.example.net/x"})
        with pytest.raises(BadAnswer):
            self._pull(pretend)
        assert not [call for call in mock.calls if "elsewhere" in str(call.request.url)]

    # ── reading ───────────────────────────────────────────────────────────────────────────────────

    # ── abilities ─────────────────────────────────────────────────────────────────────────────────

    @pytest.mark.parametrize("presence", list(Presence))
    def test_found_gone_and_cannot_tell_are_three_answers(
        self, presence: Presence, pretend: PretendService, mock: responses.RequestsMock
    ) -> None:
        if not pretend.connector.abilities.one:
            return
        pretend.serve_one(mock, "x1", presence)
        assert pretend.made().ask(pretend.resource, "x1") is presence

    def test_a_record_that_is_found_comes_as_its_document(self, pretend: PretendService, mock: responses.RequestsMock) -> None:
        if not pretend.connector.abilities.one:
            return
        pretend.serve_one(mock, "x1", Presence.FOUND)
        connector = pretend.made()
        found = connector.find(pretend.resource, "x1")
        assert isinstance(found, Document) and (found.resource, found.id) == (pretend.resource, "x1")
        assert connector.read(found).records

    @pytest.mark.parametrize("kind", ["school", "user"])
    def test_a_part_is_whole_documents_of_what_belongs_to_it(
        self, kind: Any, pretend: PretendService, mock: responses.RequestsMock
    ) -> None:
        connector = pretend.made()
        if kind not in connector.abilities.scopes:
            return
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
        self, kind: Any, pretend: PretendService, mock: responses.RequestsMock
    ) -> None:
        connector = pretend.made()
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

    def test_changes_are_whole_documents_and_end_with_a_cursor(self, pretend: PretendService, mock: responses.RequestsMock) -> None:
        if not pretend.connector.abilities.incremental:
            return
        cursor = pretend.serve_changes(mock)
        connector = pretend.made()
        *pages, last = list(connector.changes(cursor))
        assert isinstance(last, Cursor) and json.loads(json.dumps(last.value)) == last.value
        documents = [document for page in pages if isinstance(page, Page) for document in page.documents]
        assert [document.resource for document in documents] == [pretend.resource]
        assert connector.read(documents[0]).records

    # ── privacy ───────────────────────────────────────────────────────────────────────────────────

    def test_no_secret_and_no_name_in_any_error_or_repr(self, pretend: PretendService, mock: responses.RequestsMock) -> None:
        told = [repr(pretend.settings()), repr(pretend.made())]
        for answer in ({"status": 401}, {"status": 500}, {"body": f'{{"error": "{CANARY_NAME} {CANARY_SECRET}"}}'}):
            self._broken(pretend, mock, **answer)
            try:
                self._pull(pretend)
            except SourceError as problem:
                told += [str(problem), repr(problem)]
        assert len(told) > 3
        assert not [text for text in told if CANARY_NAME in text or CANARY_SECRET in text]
