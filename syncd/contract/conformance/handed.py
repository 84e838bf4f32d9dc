"""The suite for a connector whose records are handed in, by a form or a spreadsheet."""

import json
from abc import abstractmethod
from typing import Any

import pytest

from syncd.contract.conformance.every import Conformance, Pretend
from syncd.contract.connector import Connector, Context
from syncd.contract.document import Cursor, Document, Page
from syncd.contract.handed import HandedConnector, handing


class PretendForms(Pretend):
    """What somebody has filled in."""

    @abstractmethod
    def documents(self) -> list[Document]:
        """What is handed in, some of it of `resource`."""

    def made(self, context: Context | None = None) -> Connector:
        return handing(super().made, self.documents())(context or Context("springfield"))


class Handed(Conformance):
    """Nobody is asked, and nobody is missing from what is handed in."""

    @pytest.fixture
    @abstractmethod
    def pretend(self) -> PretendForms: ...

    @pytest.fixture
    def healthy(self) -> None:
        return

    def test_it_says_that_its_records_are_handed_in(self, pretend: PretendForms) -> None:
        assert pretend.connector.abilities.handed and pretend.connector.abilities.incremental
        assert issubclass(pretend.connector, HandedConnector)

    def test_who_is_not_handed_in_is_never_missing(self, pretend: PretendForms) -> None:
        documents, ends = self._pull(pretend)
        assert all(ends.values()) and len(documents) == len(pretend.documents())

    @pytest.mark.parametrize("cursor", [None, {}, {"newest": 7}])
    def test_what_is_handed_in_comes_as_changes_once_and_whole(self, cursor: Any, pretend: PretendForms) -> None:
        *pages, last = pretend.made().changes(cursor)
        assert isinstance(last, Cursor) and json.loads(json.dumps(last.value)) == last.value
        came = [document for page in pages if isinstance(page, Page) for document in page.documents]
        assert sorted(came) == sorted(pretend.documents())

    def test_handing_nothing_in_changes_nothing(self, pretend: PretendForms) -> None:
        nothing = handing(lambda context: pretend.connector(pretend.settings(), context), [])(Context("springfield"))
        assert [type(item) for item in nothing.changes({})] == [Cursor]

    @pytest.mark.parametrize("gone", [True, False])
    def test_who_is_taken_out_is_gone_and_nobody_else(self, gone: bool, pretend: PretendForms) -> None:
        sent = pretend.sample() | {"gone": gone}
        reading = pretend.made().read(Document(pretend.resource, sent["id"], json.dumps(sent).encode()))
        assert [record.gone for record in reading.records] == [gone]
