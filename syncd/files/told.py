"""What is odd about a file, or one of its rows, on its way to the reader: it travels in the documents, under a name that no column has."""

from collections.abc import Sequence
from typing import Any

import msgspec

from syncd.contract.document import Document, Page, Problem

# [rule, place, whether the row is not used]
TOLD = "_told"
_MARK = f'"{TOLD}":'.encode()


def told_page(resource: str, told: Sequence[tuple[str, str]]) -> Page:
    """A page that has no record in it, and says what is odd about a file. told: (rule, place)."""
    return Page(resource, [Document(resource, None, msgspec.json.encode({TOLD: [[rule, place, False] for rule, place in told]}))])


def parted(document: Document) -> tuple[Document, list[Problem]]:
    """The document without what was told in it, and that. Raises nothing for a document that a file's reader made."""
    if _MARK not in document.raw:
        return document, []
    sent: dict[str, Any] = msgspec.json.decode(document.raw)
    problems = [Problem(rule, place, fatal) for rule, place, fatal in sent.pop(TOLD, ())]
    return document._replace(raw=msgspec.json.encode(sent)), problems
