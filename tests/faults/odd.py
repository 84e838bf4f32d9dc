"""A source of the sandbox whose documents can be bent before they are sent."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from syncd.sandbox import District, Sandbox, clever_records, oneroster_records, running
from syncd.sandbox.district import clever_id_of
from syncd.store import roster, runs
from tests.journeys.synced import Synced

CLEVER, ONEROSTER = "clever-3.1", "oneroster-1.2-oauth2"
BOTH = pytest.mark.parametrize("dialect", [CLEVER, ONEROSTER])
LISTS = {
    CLEVER: {"orgs": "/schools", "terms": "/terms", "sections": "/sections", "users": "/users"},
    ONEROSTER: {"orgs": "/orgs", "terms": "/academicSessions", "sections": "/classes", "users": "/users", "enrollments": "/enrollments"},
}


class Odd(Synced):
    """A source whose documents can be bent."""

    def __init__(self, sandbox: Sandbox, folder: Path, dialect: str, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
        super().__init__(sandbox, folder, dialect, monkeypatch, **settings)
        self.dialect = dialect
        self.clever = dialect == CLEVER

    def students(self) -> list[Any]:
        """The district's students who are in a section, as the sandbox knows them."""
        district = self.sandbox.district
        seated = {found.user for found in district.enrollments.values() if found.role == "student" and not found.gone}
        return [user for name in sorted(seated) if not (user := district.users[name]).gone]

    def id(self, kind: str, record: Any) -> str:
        if not self.clever:
            return str(record.id)
        return clever_id_of(record, "student") if kind == "users" else str(record.clever_id)

    def document(self, kind: str, record: Any) -> dict[str, Any]:
        """What the source sends of a record."""
        if self.clever:
            return clever_records.document(self.sandbox.district, kind, record, "student" if kind == "users" else "")
        return oneroster_records.document(self.sandbox.district, kind, record, "1.2")

    def named(self, user: Any, name: Any, **more: Any) -> dict[str, Any]:
        """A student's document with another given name; OneRoster's date is left out unless `more` has one."""
        sent = self.document("users", user)
        if self.clever:
            sent["name"] = {**sent["name"], "first": name}
        else:
            sent |= {"givenName": name}
            sent.pop("dateLastModified")
        return {**sent, **more}

    def say(self, kind: str, *documents: dict[str, Any] | str, effect: str = "replace", path: str | None = None) -> None:
        """Send these documents from now on, in the place of those of the same ids, or beside them (`add`)."""
        texts = [one if isinstance(one, str) else json.dumps(one) for one in documents]
        self.sandbox.fault(effect, path=path or LISTS[self.dialect][kind], documents=texts)

    def held(self, kind: str, record_id: str) -> dict[str, Any]:
        (found,) = roster.record(self.store, kind, record_id, "springfield")
        return found

    def told(self) -> set[tuple[str | None, str]]:
        """(id, rule) of all that the latest run could not use, or found odd."""
        return {(row["document_id"], row["rule"]) for row in runs.quarantined(self.store, "springfield")}


@contextmanager
def odd(dialect: str, folder: Path, monkeypatch: pytest.MonkeyPatch, *, seed: int, students: int = 30, **settings: Any) -> Iterator[Odd]:
    """A source after its first sync."""
    with running(District.generate(students=students, seed=seed)) as sandbox:
        source = Odd(sandbox, folder, dialect, monkeypatch, **settings)
        assert source.sync().state == "applied"
        yield source


def nobody_went(report: Any) -> bool:
    return all(counts.deactivated == 0 for counts in report.counts.values()) and not report.held
