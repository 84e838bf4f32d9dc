"""Handing records in: to a source that is entered by hand, by a run like any other."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
from sqlalchemy import select

from syncd.account import Who
from syncd.contract.connector import Context
from syncd.contract.document import Document
from syncd.contract.handed import handing
from syncd.contract.passwords import Seal
from syncd.errors import ConfigError, Unknown
from syncd.report import Mode, RunReport, State, Trigger
from syncd.settings.guard import Limit
from syncd.settings.source import Source
from syncd.store import Store, roster
from syncd.store.tables import ROSTER
from syncd.sync.run import Order, run

# More than anybody has.
ANY = 10**9


def check(source: Source) -> None:
    """Raises ConfigError for a source whose records somebody else has."""
    if not source.connector.abilities.handed:
        raise ConfigError(
            f"{source.name}: its records come from a SIS, which would take them back. Make a source for those that are entered: "
            'connector = "by-hand".'
        )


def seal(source: Source) -> Seal | None:
    """What the passwords of a file are sealed with, of a source that keeps them. Raises SourceError."""
    return source.connect(Context(source.name)).seal


def hand_in(store: Store, source: Source, documents: Sequence[Document], *, by: Who, **options: Any) -> RunReport:
    """A run that takes these records in. options: of the order, as dry_run. Raises as `run` does, and ConfigError for a source that is
    asked."""
    return _run(store, source, documents, {}, by=by, **options)


def change(store: Store, source: Source, documents: Sequence[Document], *, by: Who, **options: Any) -> RunReport:
    """As `hand_in`, of one person or section, by somebody who has it before them: what a limit holds of it (the last of its kind goes) is
    what they have just said."""
    # All of it or nothing, so that it is one run that can be undone.
    report = _run(store, source, documents, {"when_held": "hold-all"}, by=by, **options)
    if report.state != State.HELD:
        return report
    approval = Order.of(source, mode=Mode.INCREMENTAL, by=by, approves=report.run, trigger=Trigger.APPROVE, **options)
    return run(store, approval, Context(source.name))


def _run(store: Store, source: Source, documents: Sequence[Document], limits: dict[str, Any], **options: Any) -> RunReport:
    check(source)
    order = Order.of(source, mode=Mode.INCREMENTAL, **options)
    # Whoever hands them in has just seen how many are new; all other limits stand.
    changed = order.limits.model_copy(update={"max_creations": Limit(count=ANY), **limits})
    return run(store, replace(order, connect=handing(source.connect, documents), limits=changed), Context(source.name))


def school(store: Store, source: Source, school_id: str, sources: Sequence[str]) -> list[Document]:
    """What to hand in for a school to be there: nothing if it is; else a copy of the one that another source has. Raises Unknown."""
    if any(found["status"] == "active" for found in roster.record(store, "org", school_id, source.name)):
        return []
    for name in sources:
        for found in roster.record(store, "org", school_id, name):
            if found["status"] == "active" and found["type"] == "school":
                return [_document("orgs", {"id": school_id, "name": found["name"], "type": "school", "identifier": found["identifier"]})]
    raise Unknown(f"no source has a school {school_id}.", advice="`syncd roster orgs` lists them; `syncd add school` makes one.")


def new_school(school_id: str, name: str) -> Document:
    """A school that no other source has."""
    return _document("orgs", {"id": school_id, "name": name, "type": "school"})


def kind_of(store: Store, source: Source, record_id: str) -> str:
    """Whether an id is that of a user or of a section. Raises Unknown."""
    for kind in ("user", "section"):
        if roster.record(store, kind, record_id, source.name):
            return kind
    raise Unknown(f"{source.name} has neither a user nor a section {record_id}.", advice="`syncd roster` lists both.")


def changed(store: Store, source: Source, kind: str, record_id: str, changes: dict[str, Any]) -> Document:
    """A record as it is held, with some fields changed. kind: singular. Raises Unknown."""
    found = held(store, source, kind, record_id)
    kept = {name: value for name, value in found.items() if name not in ("source", "status", "deactivated_at", "purged_at")}
    return _document(f"{kind}s", kept | changes)


def gone(store: Store, source: Source, kind: str, record_id: str) -> list[Document]:
    """A record that is to be deactivated, as it is held, after the enrollments of a user or in a section. Raises Unknown."""
    record = changed(store, source, kind, record_id, {"gone": True})
    if kind not in ("user", "section"):
        return [record]
    enrolled = ROSTER["enrollment"].c
    mine = (enrolled.user_id if kind == "user" else enrolled.section_id) == record_id
    query = select(enrolled.id).where(enrolled.source == source.name, enrolled.status == "active", mine).order_by(enrolled.id)
    with store.read() as connection:
        ids = connection.execute(query).scalars().all()
    return [*(changed(store, source, "enrollment", one, {"gone": True}) for one in ids), record]


def held(store: Store, source: Source, kind: str, record_id: str) -> dict[str, Any]:
    """A record of what was entered. Raises Unknown."""
    found = roster.record(store, kind, record_id, source.name)
    if not found:
        raise Unknown(f"{source.name} has no {kind} {record_id}.", advice=f"`syncd roster {kind}s --source {source.name}` lists them.")
    return found[0]


def _document(resource: str, record: dict[str, Any]) -> Document:
    return Document(resource, str(record["id"]), msgspec.json.encode(record))
