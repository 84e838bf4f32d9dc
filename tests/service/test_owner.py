"""Who owns what beside the service's store, whoever made it."""

import os
from pathlib import Path

import pytest

from syncd.store import lease, open_store, tombstones

# Nobody's, in the place of the service's user.
SERVICE = 65534

pytestmark = [pytest.mark.file, pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    os.chown(tmp_path, SERVICE, SERVICE)
    return tmp_path


@pytest.mark.fault("S11")
def test_what_a_command_of_roots_makes_beside_the_store_is_the_services_and_its_alone(folder: Path) -> None:
    store = open_store(f"sqlite:///{folder}/roster.db")
    tombstones.read(store, create=True)
    with lease.hold(store, "springfield"), store.read(), store.write():
        made = {path.name: path.stat() for path in folder.iterdir()}
    assert {"roster.db", "roster.db-wal", "roster.db-shm", "roster.db-springfield.lock", "roster.db.purged"} <= made.keys()
    assert {(found.st_uid, found.st_gid, found.st_mode & 0o777) for found in made.values()} == {(SERVICE, SERVICE, 0o600)}


@pytest.mark.fault("S11")
def test_a_lock_that_leads_elsewhere_is_not_followed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    store = open_store(f"sqlite:///{folder}/roster.db")
    elsewhere = tmp_path_factory.mktemp("etc") / "shadow"
    elsewhere.write_text("root's")
    (folder / "roster.db-springfield.lock").symlink_to(elsewhere)
    with pytest.raises(OSError), lease.hold(store, "springfield"):
        pass
    assert elsewhere.read_text() == "root's" and elsewhere.stat().st_uid == 0
