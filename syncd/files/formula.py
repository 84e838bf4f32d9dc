"""Cells that a spreadsheet would run: written so that it shows them, and read back as they were.

A cell that begins with = or @, or with + or - and is no number, is a formula to a spreadsheet, whoever wrote it; to some also with blanks
before it, or in the wide letters of Japanese. An apostrophe before it makes it a text (OWASP, "CSV Injection"); one is added to what begins
with apostrophes and such a sign, too, so that taking one away is always right.
"""

import re

_RUNS = re.compile(r"'*\s*(?:[=@＝＠]|(?<=[\t\r])|[+＋－-](?!\s*[\d(][\d\s().\-]*$))")


def tamed(text: str) -> str:
    """As it may be written."""
    return f"'{text}" if _RUNS.match(text) else text


def untamed(text: str) -> str:
    """As it was before."""
    return text[1:] if text.startswith("'") and _RUNS.match(text) else text
