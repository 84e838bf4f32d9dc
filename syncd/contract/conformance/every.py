"""What every connector does, however its records come. The suites for each way (`http.py`, `files.py`, `handed.py`) ask for more."""

import json
import socket
from abc import ABC, abstractmethod
from typing import Any

import pytest

from syncd.contract.connector import Connector, ConnectorSettings, Context
from syncd.contract.document import Document, Finished, Page
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
    """A source of a handful of records. connector: the class under test. resource: one with documents, not the first one asked."""

    connector: type[Connector]
    resource: str

    @abstractmethod
    def settings(self) -> ConnectorSettings:
        """The settings of the connector; a secret among them is `canary()`."""

    @abstractmethod
    def sample(self) -> dict[str, Any]:
        """A healthy document of `resource`."""

    def made(self, context: Context | None = None) -> Connector:
        """The connector, made anew."""
        return self.connector(self.settings(), context or Context("springfield"))


class Conformance(ABC):
    """The tests that need no more than a source that is well."""

    @pytest.fixture
    @abstractmethod
    def pretend(self) -> Pretend: ...

    @pytest.fixture
    @abstractmethod
    def healthy(self) -> None:
        """The source is there, and well; one person in it has the family name CANARY_NAME."""

    def _pull(self, pretend: Pretend) -> tuple[list[Document], dict[str, str | None]]:
        """What a pull gives, and the doubt about each resource."""
        connector = pretend.made()
        documents: list[Document] = []
        ends: dict[str, str | None] = {}
        for item in connector.pull():
            if isinstance(item, Finished):
                ends[item.resource] = item.doubt
            elif isinstance(item, Page):
                documents += item.documents
        connector.close()
        return documents, ends

    # ── what it declares ──────────────────────────────────────────────────────────────────────────

    def test_it_declares_settings_that_refuse_unknown_keys_without_repeating_them(self, pretend: Pretend) -> None:
        with pytest.raises(ValueError, match="extra") as refused:
            pretend.connector.settings_model.model_validate({"no_such_key": CANARY_SECRET})
        assert CANARY_SECRET not in str(refused.value)

    def test_its_resources_state_kinds_that_exist(self, pretend: Pretend, healthy: None) -> None:
        resources = pretend.made().resources()
        assert len({resource.name for resource in resources}) == len(resources)
        assert {kind for resource in resources for kind in resource.kinds} <= KINDS.keys()

    def test_closing_twice_does_no_harm(self, pretend: Pretend, healthy: None) -> None:
        connector = pretend.made()
        connector.probe()
        connector.close()
        connector.close()

    def test_what_it_does_not_declare_is_refused(self, pretend: Pretend, healthy: None) -> None:
        connector, able = pretend.made(), pretend.connector.abilities
        undeclared: list[tuple[bool, Any]] = [
            (able.one, lambda: connector.find(pretend.resource, "x1")),
            (able.incremental, lambda: connector.changes(None)),
            *((kind in able.scopes, lambda kind=kind: list(connector.part(Scope(kind, "x1")))) for kind in ("school", "user")),
        ]
        for declared, asked in undeclared:
            if not declared:
                with pytest.raises(NotImplementedError):
                    asked()
        assert able.one or not able.scopes, "who is not in a part has to be asked for"

    def test_a_pull_ends_every_resource(self, pretend: Pretend, healthy: None) -> None:
        documents, ends = self._pull(pretend)
        assert set(ends) == {resource.name for resource in pretend.made().resources()}
        assert documents and {document.resource for document in documents} <= ends.keys()

    # ── what comes, and how it is read ────────────────────────────────────────────────────────────

    def test_the_same_source_gives_the_same_documents_and_fingerprints(self, pretend: Pretend, healthy: None) -> None:
        first, second = self._pull(pretend)[0], self._pull(pretend)[0]
        assert [(one.id, one.fingerprint) for one in first] == [(one.id, one.fingerprint) for one in second]
        assert len({(one.resource, one.id) for one in first}) == len(first)

    def test_a_probe_says_what_it_found_without_naming_anybody(self, pretend: Pretend, healthy: None) -> None:
        found = pretend.made().probe()
        assert found and CANARY_NAME not in found and CANARY_SECRET not in found

    def test_reading_a_healthy_source_gives_records_and_no_problem(self, pretend: Pretend, healthy: None) -> None:
        documents, _ = self._pull(pretend)
        connector = pretend.made()
        stated = {resource.name: resource.kinds for resource in connector.resources()}
        for document in documents:
            reading = connector.read(document)
            assert not reading.problems
            assert {record.kind for record in reading.records} <= set(stated[document.resource])

    def test_reading_opens_no_socket(self, pretend: Pretend, healthy: None, monkeypatch: pytest.MonkeyPatch) -> None:
        documents, _ = self._pull(pretend)
        connector = pretend.made()

        def refuse(*_: Any, **__: Any) -> None:
            raise AssertionError("reading opened a socket")

        monkeypatch.setattr(socket, "socket", refuse)
        for document in documents:
            connector.read(document)

    def test_any_value_in_any_field_gives_a_record_or_a_reason(self, pretend: Pretend, healthy: None) -> None:
        connector, sample = pretend.made(), pretend.sample()
        for field in (*sample, "never_heard_of"):
            for value in ODD_VALUES:
                raw = json.dumps({**sample, field: value}).encode()
                reading = connector.read(Document(pretend.resource, "x1", raw))
                assert reading.records or reading.problems or reading.parts, (field, str(value)[:20])

    def test_absent_fields_give_a_record_or_a_reason(self, pretend: Pretend, healthy: None) -> None:
        connector, sample = pretend.made(), pretend.sample()
        for field in sample:
            left = {name: value for name, value in sample.items() if name != field}
            reading = connector.read(Document(pretend.resource, "x1", json.dumps(left).encode()))
            assert reading.records or reading.problems or reading.parts, field

    @pytest.mark.parametrize("raw", [b"", b"{", b"null", b"[]", b"7", b"\xff\xfe", b"[" * 20_000, b'{"id": {}, "sourcedId": {}}'])
    def test_what_is_no_record_is_a_reason(self, raw: bytes, pretend: Pretend, healthy: None) -> None:
        reading = pretend.made().read(Document(pretend.resource, None, raw))
        assert not reading.records and any(problem.fatal for problem in reading.problems)


def canary() -> Secret:
    """The secret that a pretend source's settings use."""
    return Secret(env="CANARY")
