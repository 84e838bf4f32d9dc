"""What somebody has uploaded and not yet taken in: kept in memory, for an hour, and for themselves alone."""

import secrets
import threading
import time
from dataclasses import dataclass, field

from syncd.errors import Unknown
from syncd.hand.spreadsheet import Wrong

# Seconds, uploads and bytes that are kept at most.
KEPT, MOST, MOST_BYTES = 3600.0, 50, 200_000_000


@dataclass
class Upload:
    """content: the file. keeps: whether its passwords are kept. header, samples: its columns and first rows. matched: {column: field} as
    chosen so far. wrong: what the last check found."""

    owner: str
    source: str
    school_id: str
    name: str
    content: bytes
    keeps: bool = False
    header: list[str] = field(default_factory=list)
    samples: list[list[str]] = field(default_factory=list)
    matched: dict[str, str] = field(default_factory=dict)
    wrong: list[Wrong] = field(default_factory=list)
    at: float = field(default_factory=time.monotonic)


class Desk:
    """Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._uploads: dict[str, Upload] = {}

    def put(self, upload: Upload) -> str:
        """Keep it; gives what it is asked for by. The oldest go when there is no room."""
        key = secrets.token_urlsafe(16)
        with self._lock:
            self._uploads[key] = upload
            while len(self._uploads) > MOST or sum(len(one.content) for one in self._uploads.values()) > MOST_BYTES:
                del self._uploads[next(iter(self._uploads))]
        return key

    def get(self, key: str, owner: str) -> Upload:
        """Raises Unknown for what is not there (any more), or is another's."""
        with self._lock:
            for old in [name for name, one in self._uploads.items() if time.monotonic() - one.at > KEPT]:
                del self._uploads[old]
            found = self._uploads.get(key)
        if found is None or found.owner != owner:
            raise Unknown("this file is not here any more.", advice="Upload it again.")
        return found

    def remove(self, key: str) -> None:
        """Forget it."""
        with self._lock:
            self._uploads.pop(key, None)
