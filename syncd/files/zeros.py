"""Zeros that a spreadsheet has dropped from the front of numbers: suspected by their width, and never put back by guessing."""

from collections import Counter

# The share of a column's numbers that have to be of one width for a shorter one to be suspected.
MOST = 0.9


class Widths:
    """How wide the numbers of a column are."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._first: dict[int, int] = {}
        self._first_number: dict[int, int] = {}
        self._zero = False
        self._other = False

    def take(self, value: str, line: int, *, number: bool = False) -> None:
        """A value that is not empty. number: the spreadsheet has it as a number, which can not begin with a zero."""
        if not (value.isascii() and value.isdigit()):
            self._other = True
            return
        width = len(value)
        self._counts[width] += 1
        self._first.setdefault(width, line)
        self._zero = self._zero or (value[0] == "0" and width > 1)
        if number:
            self._first_number.setdefault(width, line)

    def suspect(self) -> int | None:
        """The first line on which a number may have lost zeros; None if nothing speaks for it."""
        if self._other or len(self._counts) < 2:
            return None
        width, count = max(self._counts.items(), key=lambda item: (item[1], item[0]))
        shorter = [line for other, line in self._first.items() if other < width]
        if shorter and count >= MOST * self._counts.total():
            return min(shorter)
        if self._zero:
            # Zeros in front are in use here, and a number can not have them.
            widest = max(self._counts)
            return min((line for other, line in self._first_number.items() if other < widest), default=None)
        return None
