"""The roster of a source as OneRoster CSV, 1.1 or 1.2: all of it (bulk), or what changed since a run (delta).

A zip as the binding has it: files at its root, a manifest, all columns in their order. It is one look at the store, row by row, so that
neither a run that applies meanwhile nor the size of the district matters. What the binding has no place for is counted and told.
"""

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, BinaryIO

from sqlalchemy import Connection, Row, select

from syncd import __version__
from syncd.export import words
from syncd.export.zipped import Cells, Exported, table
from syncd.files.oneroster import COLUMNS, columns
from syncd.store import Store
from syncd.store.tables import ROSTER, runs

_BATCH = 1_000
_KINDS = {
    "orgs": "org", "academicSessions": "term", "courses": "course", "users": "user", "classes": "section", "enrollments": "enrollment",
}  # fmt: skip


def write(store: Store, source: str, version: str, into: BinaryIO, *, since: int | None = None) -> Exported:
    """Write a zip. version: "1.1" or "1.2". since: a run; then only what later runs changed. Raises StoreError."""
    done = Exported()
    with store.read() as connection, zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as bundle:
        work = _Work(connection, source, version, since, done)
        for name, rows in work.files():
            more = work.more(name)
            with table(bundle, name, [*columns(name, version), *more]) as put:
                for cells in rows:
                    put(cells)
                    done.files[name] = done.files.get(name, 0) + 1
        with bundle.open("manifest.csv", "w") as raw, io.TextIOWrapper(raw, "utf-8", newline="") as text:
            csv.writer(text, lineterminator="\r\n").writerows(_manifest(version, done, since))
    return done


def _manifest(version: str, done: Exported, since: int | None) -> Iterator[tuple[str, str]]:
    yield "propertyName", "value"
    yield "manifest.version", "1.0"
    yield "oneroster.version", version
    others = ["categories", "classResources", "courseResources", "lineItems", "resources", "results"]
    if version == "1.2":
        others += ["lineItemLearningObjectiveIds", "lineItemScoreScales", "resultLearningObjectiveIds", "resultScoreScales", "scoreScales"]
        others += ["userProfiles", "userResources"]
    mine = [name for name in COLUMNS if name != "roles" or version == "1.2"]
    for name in sorted([*mine, *others]):
        yield f"file.{name}", "absent" if not done.files.get(name) else "bulk" if since is None else "delta"
    yield "source.systemName", "syncd"
    yield "source.systemCode", __version__


class _Work:
    """One export: reads the kinds, and says what stands in each column."""

    def __init__(self, connection: Connection, source: str, version: str, since: int | None, done: Exported) -> None:
        self._connection, self._source, self._version, self._since, self._done = connection, source, version, since, done

    def files(self) -> Iterator[tuple[str, Iterator[Cells]]]:
        """Each file with its rows, in the order in which they refer to each other."""
        yield "orgs", self._rows("org", self._org)
        yield "academicSessions", self._rows("term", self._term)
        yield "courses", self._rows("course", self._course)
        yield "users", self._rows("user", self._user)
        if self._version == "1.2":
            yield "roles", self._roles()
        yield "classes", self._rows("section", self._class)
        yield "enrollments", self._rows("enrollment", self._enrollment)
        yield "demographics", self._demographics()

    def more(self, name: str) -> list[str]:
        """The columns of a file beside the binding's: metadata, which has to be known before its first row."""
        if name not in _KINDS:
            return []
        table = ROSTER[_KINDS[name]]
        extras = select(table.c.extra).where(*self._which(table), table.c.extra.is_not(None)).execution_options(yield_per=_BATCH)
        found: dict[str, None] = {}
        for (extra,) in self._connection.execute(extras):
            found |= dict.fromkeys(sorted(extra.get("metadata") or {})) if isinstance(extra.get("metadata"), dict) else {}
        return [f"metadata.{key}" for key in sorted(found)]

    def _which(self, table: Any) -> list[Any]:
        """Of a bulk, who is active; of a delta, whom a later run changed."""
        mine = table.c.source == self._source
        return [mine, table.c.status == "active"] if self._since is None else [mine, table.c.changed_run > self._since]

    def _found(self, kind: str) -> Iterator[Row[Any]]:
        table = ROSTER[kind]
        query = select(table, runs.c.finished_at).outerjoin(runs, runs.c.id == table.c.changed_run).where(*self._which(table))
        yield from self._connection.execute(query.order_by(table.c.id).execution_options(yield_per=_BATCH))

    def _rows(self, kind: str, cells: Callable[[Row[Any]], Cells]) -> Iterator[Cells]:
        for row in self._found(kind):
            yield self._kept(row, row.id) | cells(row) | _metadata(row)

    def _kept(self, row: Row[Any], record_id: str) -> Cells:
        """The columns that stand in each file; status and date in a delta only."""
        kept = {"sourcedId": record_id}
        if self._since is not None:
            kept |= {"status": words.status(row), "dateLastModified": words.moment(row.finished_at or datetime.now(UTC))}
        return kept

    def _org(self, row: Row[Any]) -> Cells:
        return _cells(name=row.name, type=words.org_type(row), identifier=row.identifier, parentSourcedId=row.parent_id)

    def _term(self, row: Row[Any]) -> Cells:
        end = words.day_after(row.end_date)
        return _cells(
            title=row.name, type=row.type, startDate=row.start_date, endDate=end, parentSourcedId=row.parent_id, schoolYear=row.school_year
        )

    def _course(self, row: Row[Any]) -> Cells:
        return _cells(
            schoolYearSourcedId=words.named(words.beyond(row, "schoolYear")),
            title=row.name,
            courseCode=row.number,
            grades=_list(words.grades(row)),
            orgSourcedId=row.org_id,
            subjects=_list(row.subjects),
            subjectCodes=_list(words.beyond(row, "subjectCodes")),
        )

    def _class(self, row: Row[Any]) -> Cells:
        return _cells(
            title=row.name,
            grades=_list(words.grades(row)),
            courseSourcedId=row.course_id,
            classCode=row.number,
            classType=row.type,
            location=row.location,
            schoolSourcedId=row.school_id,
            termSourcedIds=_list(row.term_ids),
            subjects=_list(row.subjects),
            subjectCodes=_list(words.beyond(row, "subjectCodes")),
            periods=_list(row.periods),
        )

    def _user(self, row: Row[Any]) -> Cells:
        roles = row.roles or []
        cells = _cells(
            enabledUser="false" if row.enabled is False else "true",
            username=row.username,
            userIds=_user_ids(row, self._done),
            givenName=row.given_name,
            familyName=row.family_name,
            middleName=row.middle_name,
            identifier=words.identifier(row),
            email=row.email,
            phone=row.phone,
            agentSourcedIds=_list(row.guardian_ids),
            grades=_list(words.grades(row)),
        )
        if self._version == "1.1":
            return cells | self._one_role(row, roles)
        return cells | _cells(
            userMasterIdentifier=words.number(row, "userMasterIdentifier"),
            preferredGivenName=row.preferred_given_name,
            preferredFamilyName=row.preferred_family_name,
            primaryOrgSourcedId=words.main_org(roles),
        )

    def _one_role(self, row: Row[Any], roles: list[dict[str, Any]]) -> Cells:
        if (found := words.one_role(roles)) is None:
            return {}
        best, orgs = found
        if any(role["role"] != best for role in roles):
            self._done.lost["a further role of a user"] += 1
        if row.preferred_given_name or row.preferred_family_name:
            self._done.lost["a preferred name"] += 1
        return _cells(role=words.word(row, best, self._version), orgSourcedIds=_list(orgs))

    def _roles(self) -> Iterator[Cells]:
        for row in self._found("user"):
            for role, first in words.roles_in_order_of_rank(row.roles or []):
                record_id = "/".join(part for part in (row.id, role["role"], role["org_id"]) if part)
                yield self._kept(row, record_id) | _cells(
                    userSourcedId=row.id,
                    roleType="primary" if first else "secondary",
                    role=words.word(row, role["role"], self._version),
                    orgSourcedId=role["org_id"],
                )

    def _enrollment(self, row: Row[Any]) -> Cells:
        return _cells(
            classSourcedId=row.section_id,
            schoolSourcedId=row.school_id,
            userSourcedId=row.user_id,
            role=row.role,
            primary=None if row.primary is None else str(row.primary).lower(),
            beginDate=row.begin_date,
            endDate=words.day_after(row.end_date),
        )

    def _demographics(self) -> Iterator[Cells]:
        for row in self._found("user"):
            if row.birth_date or row.gender or row.demographics:
                told = _cells(birthDate=row.birth_date, sex=words.sex(row, self._version))
                yield self._kept(row, row.id) | told | _plain(row.demographics or {})


def _cells(**values: str | None) -> Cells:
    return {name: value for name, value in values.items() if value}


def _plain(values: dict[str, Any]) -> Cells:
    return {name: words.plain(value) for name, value in values.items()}


def _metadata(row: Row[Any]) -> Cells:
    found = words.beyond(row, "metadata")
    if not isinstance(found, dict):
        return {}
    return {f"metadata.{key}": value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for key, value in found.items()}


def _list(values: Iterable[str] | None) -> str:
    """Items in a cell. (A comma within one would make it two.)"""
    return ",".join(value.replace(",", " ") for value in values or ())


def _user_ids(row: Row[Any], done: Exported) -> str:
    found = []
    for kind, value in words.user_ids(row):
        if set(kind + value) & set("{},") or ":" in kind:
            done.lost["a number with signs that a list has no place for"] += 1
            continue
        found.append(f"{{{kind}:{value}}}")
    return ",".join(found)
