"""What every record has, whatever its kind."""

from datetime import datetime
from typing import Any, ClassVar

import msgspec


class RosterRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One record as a source stated it.

    id: the source's own, as text. gone: the source says that the record is no more (`tobedeleted`). modified: when the
    source last changed it (aware UTC), used only to choose between two versions of one id. document_id: the id of the
    document that stated it, when it is not the record's own (an enrollment out of a Clever section).
    """

    kind: ClassVar[str]

    id: str
    gone: bool = False
    modified: datetime | None = None
    document_id: str | None = None
    extra: dict[str, Any] = {}

    def lacks(self) -> str | None:
        """The field without which the record can not be used, when it is missing; else None."""
        return None
