"""Where the pages of a list end."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any


@dataclass
class _Place:
    total: int
    after: dict[int, str] = field(default_factory=dict)


class Places:
    """Where pages of lists end, as long as nothing has changed: who goes on from page to page finds the next one without a walk through all
    before it. Threads may share it; another process begins without. Only a help: what is not known here is looked up."""

    # Lists, and of each the latest pages.
    MOST, MOST_PAGES = 100, 1_000

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[Any, _Place] = OrderedDict()

    def look(self, key: Any, offset: int) -> tuple[int | None, str | None]:
        """(how many there are in all, the id before the record at an offset), as far as known."""
        with self._lock:
            place = self._known.get(key)
            return (None, None) if place is None else (place.total, place.after.get(offset))

    def keep(self, key: Any, total: int, offset: int, last: str | None) -> None:
        with self._lock:
            place = self._known.setdefault(key, _Place(total))
            self._known.move_to_end(key)
            if last is not None:
                place.after[offset] = last
                if len(place.after) > self.MOST_PAGES:
                    del place.after[next(iter(place.after))]
            while len(self._known) > self.MOST:
                self._known.popitem(last=False)
