"""`syncd verify` compares the roster with the source and changes nothing."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from syncd.sandbox import District, running
from syncd.store.tables import ROSTER, metadata, sources
from tests.commands import Commands
from tests.journeys.synced import Synced


def tables(source: Synced) -> dict[str, Any]:
    """Every row of every table, but the runs, their logs, totals and who asked (a comparison is a run), and how many a source has had."""
    with source.store.read() as connection:
        found = {
            table.name: sorted(map(tuple, connection.execute(table.select())), key=repr)
            for table in metadata.sorted_tables
            if table.name not in ("runs", "run_log", "tallies", "audit")
        }
        found["sources"] = [(row.name, row.cursor, row.linked_run) for row in connection.execute(sources.select())]
    return found


@pytest.mark.parametrize("dialect", ["clever-3.1", "oneroster-1.2-oauth2"])
def test_a_roster_that_equals_its_source_is_told_so_and_one_that_does_not_is_told_by_ids(
    dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(District.generate(students=25, seed=71)) as sandbox:
        source = Synced(sandbox, tmp_path, dialect, monkeypatch)
        syncd = Commands(sandbox, tmp_path, monkeypatch, dialect)
        sandbox.day(1)
        source.sync()
        same = syncd("verify", "springfield")
        assert same.code == 0 and "the roster equals the source" in same.out

        who = next(user for user in sandbox.district.users.values() if not user.gone and user.email)
        sandbox.put("users", id=who.id, given_name="Renamed")
        before = tables(source)
        differs = syncd("verify", "springfield")
        assert differs.code == 1 and "differs from the source in 1 record." in differs.out
        assert (who.clever_id if dialect.startswith("clever") else who.id) in differs.out and "given_name" in differs.out
        assert "Renamed" not in differs.out and (who.family_name or "") not in differs.out
        told = msgspec.json.decode(syncd("verify", "springfield", "--json").out)
        assert (told["equal"], told["differing"], len(told["differences"])) == (False, 1, 1)
        assert tables(source) == before

        source.sync()
        assert syncd("verify", "springfield").code == 0


def test_it_compares_all_also_where_a_sync_would_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=60, seed=72)) as sandbox:
        source = Synced(sandbox, tmp_path, "clever-3.1", monkeypatch)
        syncd = Commands(sandbox, tmp_path, monkeypatch)
        source.sync()
        sandbox.rehearse("mass-removal")
        before = tables(source)
        held = source.sync(dry_run=True)
        assert held.held, "a sync would hold"
        told = msgspec.json.decode(syncd("verify", "springfield", "--all", "--json").out)
        assert told["differing"] == len(told["differences"]) == len({(one["kind"], one["id"]) for one in told["differences"]}) > 50
        assert f"differs from the source in {told['differing']} records" in syncd("verify", "springfield").out
        assert "and" in syncd("verify", "springfield").out and "--all" in syncd("verify", "springfield").out
        assert tables(source) == before


def test_what_could_not_be_compared_is_not_called_equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=25, seed=73)) as sandbox:
        source = Synced(sandbox, tmp_path, "clever-3.1", monkeypatch)
        syncd = Commands(sandbox, tmp_path, monkeypatch)
        source.sync()
        sandbox.fault("status", path="/terms", status=403)
        told = syncd("verify", "springfield")
        assert told.code == 1
        assert "nothing differs, but not all could be compared" in told.out and "terms are not shared any more" in told.out
        sandbox.fault("status", path="/users", status=401)
        failed = syncd("verify", "springfield")
        assert failed.code == 1 and "refused the credentials" in failed.out


def test_what_somebody_changed_in_the_store_itself_is_found_by_verify_and_mended_by_reading_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fingerprint is of what the source sent; it says nothing of a hand in the database."""
    with running(District.generate(students=25, seed=73)) as sandbox:
        source = Synced(sandbox, tmp_path, "clever-3.1", monkeypatch)
        syncd = Commands(sandbox, tmp_path, monkeypatch)
        assert syncd("sync", "springfield").code == 0
        user = ROSTER["user"]
        with source.store.write() as connection:
            somebody = connection.execute(select(user.c.id).limit(1)).scalar_one()
            connection.execute(user.update().where(user.c.id == somebody).values(phone="555-0199"))
        assert syncd("sync", "springfield", "--full").code == 0
        assert syncd("verify", "springfield").code == 1
        assert msgspec.json.decode(syncd("sync", "springfield", "--anew", "--json").out)["counts"]["users"]["updated"] == 1
        assert syncd("verify", "springfield").code == 0
