"""A row's document → records. OneRoster's own reader does it: a row has the shape that a record has over REST. Pure."""

from typing import Any

import msgspec

from connectors.oneroster.read import read as read_rest
from connectors.oneroster_csv.table import TOLD
from syncd.contract.document import Document, Problem, Reading

_MARK = f'"{TOLD}":'.encode()


def read(document: Document) -> Reading:
    """What a row says, and what is wrong with it."""
    if _MARK not in document.raw:
        return read_rest(document)
    sent: dict[str, Any] = msgspec.json.decode(document.raw)
    told = [Problem(rule, place, fatal) for rule, place, fatal in sent.pop(TOLD)]
    if document.id is None or any(problem.fatal for problem in told):
        return Reading(problems=told)
    reading = read_rest(document._replace(raw=msgspec.json.encode(sent)))
    reading.problems += told
    return reading
