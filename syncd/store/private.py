"""Files of a store, and beside it: their owner's alone from the first byte, whoever makes them."""

import os
from pathlib import Path


def open_private(path: Path, how: int) -> int:
    """Open a file, or make it. What root makes is the folder's owner's, as SQLite does it with -wal and -shm: a command by hand leaves
    nothing behind that the service can not open. Raises OSError."""
    try:
        handle = os.open(path, how | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return os.open(path, how)
    if os.geteuid() == 0:
        folder = path.parent.stat()
        os.fchown(handle, folder.st_uid, folder.st_gid)
    return handle
