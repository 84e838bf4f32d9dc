"""Records that people enter themselves: one student by a form, or a school's spreadsheet. They are a source of their own, which no sync of
another one ever writes to."""

from typing import Any

import msgspec

from syncd.contract.connector import ConnectorSettings, Resource
from syncd.contract.document import Document, Problem, Reading
from syncd.contract.handed import HandedConnector
from syncd.contract.opening import opened
from syncd.roster.kinds import KINDS, SINGULAR


class ByHandSettings(ConnectorSettings):
    """There is nothing to set: nobody is asked."""


class ByHandConnector(HandedConnector):
    """Documents are the roster's own records, as `syncd roster --json` has them; `gone`: it is deactivated."""

    settings_model = ByHandSettings

    def resources(self) -> tuple[Resource, ...]:
        return tuple(Resource(plural, (kind,)) for plural, kind in SINGULAR.items())

    def read(self, document: Document) -> Reading:
        found = opened(document, "id")
        if isinstance(found, Problem):
            return Reading(problems=[found])
        _, sent = found
        try:
            record: Any = msgspec.convert(sent, KINDS[SINGULAR[document.resource]])
        except msgspec.ValidationError:
            return Reading(problems=[Problem("not-a-record")])
        return Reading(records=[record])


__all__ = ["ByHandConnector"]
