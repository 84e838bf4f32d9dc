"""Mends an answer that is JSON but for one record, so that this record goes to quarantine and does not stop the rest.

Some programs write NaN, bare line breaks in texts, half a surrogate pair, or nest without end. Texts are mended as they were meant; what
has no meaning becomes a number that no reader takes, and the record it stands in is told as not readable. A body that was cut off stays
cut off.
"""

import re

DEEPEST = 100
UNREADABLE = b"1e999"

# A text without an end is a token too: looked for again from each quote in it, it would take for ever.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|-?Infinity|NaN|[\[\]{}]', re.DOTALL)
_PAIR_OR_HALF = re.compile(rb"(\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_CONTROL = re.compile(rb"[\x00-\x1f]")


def mended(body: bytes) -> bytes:
    """The body with what a parser can not take made harmless."""
    parts: list[bytes] = []
    depth, done = 0, 0
    for match in _TOKEN.finditer(body):
        token, new = match[0], None
        if token in (b"[", b"{"):
            depth += 1
            if depth == DEEPEST + 1:
                parts.append(body[done : match.start()])
            continue
        if token in (b"]", b"}"):
            depth -= 1
            if depth == DEEPEST:
                parts.append(UNREADABLE)
                done = match.end()
            continue
        if depth > DEEPEST:
            continue
        new = _text(token) if token[:1] == b'"' else UNREADABLE
        if new != token:
            parts += [body[done : match.start()], new]
            done = match.end()
    return b"".join([*parts, body[done:]])


def _text(token: bytes) -> bytes:
    token = _PAIR_OR_HALF.sub(lambda match: match[1] or b"", token)
    return _CONTROL.sub(lambda match: b"\\u%04x" % ord(match[0]), token)
