"""Opens one document: the part of reading that is the same for every dialect, and the limits on what one record may be. Pure.

A record is a few hundred bytes; one that is many times that is a fault or an attack, and would be carried through memory, store and every
page that shows it. What is beyond a limit is not used at all, so that what the roster holds of the record stands.
"""

from typing import Any

import msgspec

from syncd.contract.document import Document, Problem
from syncd.roster.fields import LONGEST_ID, composed, text

# Bytes of one document; a section of 10,000 students has a quarter of it.
MOST_BYTES = 1024 * 1024
# Characters of one text, wherever it stands in the document.
LONGEST_TEXT = 10_000

Fields = dict[str, Any]


def opened(document: Document, id_field: str) -> tuple[str, Fields] | Problem:
    """The record's id and what was sent, or why it can not be used. id_field: what the dialect calls the id. Raises nothing."""
    if len(document.raw) > MOST_BYTES:
        return Problem("too-large")
    try:
        sent = msgspec.json.decode(document.raw)
        if not isinstance(sent, dict):
            return Problem("not-an-object")
        record_id = text(sent.get(id_field))
        if record_id is None:
            return Problem("no-id", id_field)
        if len(record_id) > LONGEST_ID or not _is_plain(sent[id_field]):
            return Problem("unusable-id", id_field)
        if len(document.raw) > LONGEST_TEXT:
            for name, value in sent.items():
                if _is_too_long(value):
                    return Problem("too-long", text(name[:LONGEST_ID]))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return Problem("not-json")
    return record_id, sent


def _is_plain(value: Any) -> bool:
    """Whether an id is kept as it was sent, but for blanks around it: with a character less it could be another record's."""
    if not isinstance(value, str) or (value.isascii() and value.isprintable()):
        return True
    return text(value) == composed(value.strip())


def _is_too_long(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) > LONGEST_TEXT
    if isinstance(value, dict):
        return any(len(name) > LONGEST_TEXT or _is_too_long(part) for name, part in value.items())
    return isinstance(value, list) and any(map(_is_too_long, value))
