"""Handing records in: to a source that is entered by hand, by a run like any other."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from syncd.account import Who
from syncd.contract.connector import Context
from syncd.contract.document import Document
from syncd.contract.handed import handing
from syncd.errors import ConfigError, Unknown
from syncd.report import Mode, RunReport, State, Trigger
from syncd.settings.guard import Limit
from syncd.settings.source import Source
from syncd.store import Store, roster
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


def hand_in(store: Store, source: Source, documents: Sequence[Document], *, by: Who, **options: Any) -> RunReport:
    """A run that takes these records in. options: of the order, as dry_run. Raises as `run` does, and ConfigError for a source that is
    asked."""
    check(source)
    order = Order.of(source, mode=Mode.INCREMENTAL, by=by, **options)
    # Whoever hands them in has just seen how many are new; all other limits stand.
    limits = order.limits.model_copy(update={"max_creations": Limit(count=ANY)})
    return run(store, replace(order, connect=handing(source.connect, documents), limits=limits), Context(source.name))


def change_one(store: Store, source: Source, document: Document, *, by: Who, **options: Any) -> RunReport:
    """As `hand_in`, of one record, by somebody who has it before them: what a limit holds of it (the last of its kind goes) is what they
    have just said."""
    report = hand_in(store, source, [document], by=by, **options)
    if report.state != State.HELD:
        return report
    approval = Order.of(source, mode=Mode.INCREMENTAL, by=by, approves=report.run, trigger=Trigger.APPROVE, **options)
    return run(store, approval, Context(source.name))


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


def changed(store: Store, source: Source, kind: str, record_id: str, changes: dict[str, Any]) -> Document:
    """A record as it is held, with some fields changed. kind: singular. Raises Unknown."""
    found = _held(store, source, kind, record_id)
    kept = {name: value for name, value in found.items() if name not in ("source", "status", "deactivated_at", "purged_at")}
    return _document(f"{kind}s", kept | changes)


def gone(store: Store, source: Source, kind: str, record_id: str) -> Document:
    """A record that is to be deactivated, as it is held. Raises Unknown."""
    return changed(store, source, kind, record_id, {"gone": True})


def _held(store: Store, source: Source, kind: str, record_id: str) -> dict[str, Any]:
    found = roster.record(store, kind, record_id, source.name)
    if not found:
        raise Unknown(f"{source.name} has no {kind} {record_id}.", advice=f"`syncd roster {kind}s --source {source.name}` lists them.")
    return found[0]


def _document(resource: str, record: dict[str, Any]) -> Document:
    return Document(resource, str(record["id"]), msgspec.json.encode(record))
