"""A row's document → records. OneRoster's own reader does it: a row has the shape that a record has over REST. Pure."""

import msgspec

from connectors.oneroster.read import read as read_rest
from syncd.contract.document import Document, Reading
from syncd.contract.passwords import FIELD, SealedPassword
from syncd.files.told import parted

_SEALED = f'"{FIELD}":'.encode()


def read(document: Document) -> Reading:
    """What a row says, and what is wrong with it."""
    document, told = parted(document)
    if told and (document.id is None or any(problem.fatal for problem in told)):
        return Reading(problems=told)
    reading = read_rest(document)
    reading.problems += told
    if document.resource == "users" and _SEALED in document.raw and (sealed := msgspec.json.decode(document.raw).get(FIELD)):
        reading.passwords += [SealedPassword(record.id, sealed) for record in reading.records if not record.gone]
    return reading
