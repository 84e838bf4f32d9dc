"""Records that people enter themselves: one student by a form, or a school's spreadsheet. They are a source of their own, which no sync of
another one ever writes to."""

from typing import Any

import msgspec

from syncd.contract.connector import MayKeepPasswords, Resource
from syncd.contract.document import Document, Problem, Reading
from syncd.contract.handed import HandedConnector
from syncd.contract.opening import opened
from syncd.contract.passwords import FIELD, SealedPassword
from syncd.roster.kinds import KINDS, SINGULAR


class ByHandSettings(MayKeepPasswords):
    """Nobody is asked, so that there is little to set."""


class ByHandConnector(HandedConnector):
    """Documents are the roster's own records, as `syncd roster --json` has them; `gone`: it is deactivated."""

    settings_model = ByHandSettings

    def resources(self) -> tuple[Resource, ...]:
        return tuple(Resource(plural, (kind,)) for plural, kind in SINGULAR.items())

    def read(self, document: Document) -> Reading:
        found = opened(document, "id")
        if isinstance(found, Problem):
            return Reading(problems=[found])
        record_id, sent = found
        sealed = sent.pop(FIELD, None)
        try:
            record: Any = msgspec.convert(sent, KINDS[SINGULAR[document.resource]])
        except msgspec.ValidationError:
            return Reading(problems=[Problem("not-a-record")])
        return Reading(records=[record], passwords=[SealedPassword(record_id, sealed)] if sealed else [])


__all__ = ["ByHandConnector"]
