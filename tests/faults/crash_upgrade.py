"""Kills the upgrade of a store at one statement after the other: `python -m tests.faults.crash_upgrade STORE`.

After each kill the store has its old schema or the new one, whole and with its rows, and opening it once more brings it to the new one. The
last line on stdout is a JSON object like that of `crash.py`.
"""

import json
import shutil
import signal
import sqlite3
import sys
from functools import partial
from itertools import count
from pathlib import Path

from syncd.store import open_store
from tests.faults.crash import Tally, in_a_process, kill_at, rows


def schema(path: Path) -> list[tuple[str, ...]]:
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        tables = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
        at = connection.execute("SELECT version_num FROM alembic_version").fetchall() if "alembic_version" in dict(tables) else []
        return [*tables, *at]
    finally:
        connection.close()


def main(store: Path) -> None:
    path, tally = store.with_name("at-work.db"), Tally()

    def restore() -> None:
        for left in path.parent.glob(f"{path.name}*"):
            left.unlink()
        shutil.copy(store, path)

    def upgrade() -> None:
        open_store(f"sqlite:///{path}").close()

    restore()
    old = schema(path), rows(path)
    upgrade()
    new = schema(path), rows(path)
    assert old != new
    # What opening it once more does depends on the store alone.
    seen: list[object] = []
    for point in count(1):
        restore()
        ended, where = in_a_process(partial(kill_at, point), upgrade)
        found = schema(path), rows(path)
        tally.before += found == old
        tally.after += found == new
        if found not in (old, new) or ended not in (0, -signal.SIGKILL):
            tally.wrong.append(f"{where}: neither the old schema nor the new one")
        if found not in seen:
            seen.append(found)
            upgrade()
            if (schema(path), rows(path)) != new:
                tally.wrong.append(f"{where}: the next start does not end the upgrade")
        if ended == 0:
            break
        tally.points += 1
    sys.stdout.write(json.dumps(tally.__dict__) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
