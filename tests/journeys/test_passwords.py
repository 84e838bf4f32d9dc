"""Passwords in files: left out, unless a source asks to keep them; then a hash that nobody can read, of which one can ask whether a word is
the one."""

import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from syncd.contract.passwords import FIELD, Seal
from syncd.errors import TooManyTries
from syncd.files.bundle import Bundle
from syncd.password import hashed_persons, slow_digest, verify_persons
from syncd.report import Mode
from syncd.secret import Secret
from syncd.store import open_store, passwords, purge, runs
from syncd.store.tables import metadata
from syncd.sync import run as run_module
from tests import stores
from tests.commands import Ended, syncd
from tests.connectors.came import bundle
from tests.connectors.test_oneroster_csv import ROLES, USERS_1_2, manifest, whole
from tests.connectors.test_templates import STUDENTS, TABLES, full
from tests.journeys.test_round_trips import Imported
from tests.who import PRINCIPAL

KEY = "a key of thirty-two letters, or a few more"
WORD, OTHER = "secret-word", "another-word"
ASKS = 'password_key = { env = "PASSWORD_KEY" }\n'
VERA = "student:00007"


class School:
    """A district that sends templates into a folder, with a password in them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.files = folder, folder / "files"
        self.files.mkdir()
        self.config = folder / "syncd.toml"
        self.store = open_store(stores.url(folder))
        self.now = datetime.now(UTC)
        self.ask()
        self.send()

    def ask(self, keys: str = ASKS, more: str = "") -> None:
        self.config.write_text(
            f'[store]\nurl = "{stores.url(self.folder)}"\n[sources.springfield]\nconnector = "templates"\npath = "{self.files}"\n'
            f"still = 0\n{keys}{more}"
        )

    def send(self, password: str = WORD, **changed: str) -> None:
        for kind, table in TABLES.items():
            for before, after in {WORD: password, **changed}.items() if kind == "students" else ():
                table = table.replace(before, after)
            (self.files / f"{kind}.csv").write_text(full(table))

    def syncd(self, *arguments: object) -> Ended:
        return syncd(self.config, *arguments)

    def sync(self, *options: str, code: int = 0) -> dict[str, Any]:
        done = self.syncd("sync", "springfield", "--full", "--json", *options)
        assert done.code == code, done.err
        found: dict[str, Any] = json.loads(done.out)
        return found

    def hashes(self) -> dict[str, list[str]]:
        """{user: hashes, the latest last}."""
        found: dict[str, list[str]] = {}
        with self.store.read() as connection:
            for row in connection.execute(select(metadata.tables["passwords"]).order_by(metadata.tables["passwords"].c.run)):
                found.setdefault(row.user_id, []).append(row.hash)
        return found

    def is_right(self, word: str, user: str = VERA) -> bool:
        # Each asks on another day, so that wrong ones do not add up.
        self.now += timedelta(days=2)
        return passwords.is_right(self.store, "springfield", user, word, self.now)


@pytest.fixture
def school(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[School]:
    monkeypatch.setenv("PASSWORD_KEY", KEY)
    found = School(tmp_path)
    yield found
    found.store.close()


def everywhere(school: School) -> dict[str, str]:
    """{table: all that stands in it}."""
    with school.store.read() as connection:
        return {table.name: repr([tuple(row) for row in connection.execute(select(table))]) for table in metadata.sorted_tables}


def test_they_are_left_out_unless_the_source_asks(school: School) -> None:
    school.ask(keys="")
    school.sync()
    assert school.hashes() == {} and not school.is_right(WORD)
    assert not any(WORD in text for text in everywhere(school).values())


def test_what_is_kept_is_a_strong_hash_and_answers_only_whether_a_word_is_the_one(school: School) -> None:
    school.sync()
    ((hashed,),) = school.hashes().values()
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$") and verify_persons(hashed, WORD)
    assert school.is_right(WORD)
    assert not any((school.is_right(OTHER), school.is_right(""), school.is_right(hashed), school.is_right("x" * 100_000)))
    assert not school.is_right(WORD, "student:00008"), "has none"
    assert not school.is_right(WORD, "nobody")


def test_neither_it_nor_the_hash_nor_what_it_was_sealed_as_is_anywhere_else(school: School) -> None:
    school.sync()
    school.send(OTHER, Vera="Verena")
    school.sync()
    sealed = [Seal(Secret(env="PASSWORD_KEY"), "springfield").seal(VERA, word) for word in (WORD, OTHER)]
    for table, text in everywhere(school).items():
        assert not any(word in text for word in (WORD, OTHER, *sealed)), table
        assert ("$argon2" in text) == (table == "passwords"), table
    said = [
        school.syncd(*command)
        for command in (
            ("roster", "users", "--json"), ("history", "user", VERA, "--json"), ("runs", "show", "2", "--json"), ("status", "--json"),
            ("quarantine", "springfield", "--json"), ("logs", "--json"), ("verify", "springfield", "--json"),
            ("export", "oneroster", "springfield", school.folder / "out-1.zip"),
            ("export", "templates", "springfield", school.folder / "out-2.zip"),
        )
    ]  # fmt: skip
    assert all(one.code == 0 for one in said), [one.err for one in said]
    texts = [one.out + one.err for one in said]
    for out in map(zipfile.ZipFile, sorted(school.folder.glob("out-*.zip"))):
        texts += [out.read(name).decode() for name in out.namelist()]
    assert any("Verena" in text for text in texts)
    for text in texts:
        assert not any(word in text for word in (WORD, OTHER, *sealed, "argon2"))


def test_a_hash_is_made_once_and_anew_only_of_another_word(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    school.sync()
    first = school.hashes()
    school.send(WORD, Vera="Verena")
    assert school.sync()["counts"]["users"]["updated"] == 1
    school.sync("--anew")
    assert school.hashes() == first, "a salt is drawn for each, so that the same is the very same"
    school.send(OTHER)
    school.sync()
    assert school.is_right(OTHER) and not school.is_right(WORD)
    school.send("a third word")
    school.sync()
    assert len(school.hashes()[VERA]) == 3, "earlier ones stay as the values in the change log do, should runs be undone"
    monkeypatch.setenv("PASSWORD_KEY", f"{KEY}, and another one")
    school.sync()
    assert school.is_right("a third word"), "under another key all are hashed anew"


def test_an_empty_cell_takes_nobodys_password(school: School) -> None:
    school.sync()
    school.send("")
    school.sync()
    assert school.is_right(WORD)


def test_undoing_a_run_gives_back_the_words_of_before(school: School) -> None:
    school.sync()
    school.send(OTHER, Vera="Verena")
    number = school.sync()["run"]
    assert school.syncd("undo", number).code == 0
    assert school.is_right(WORD) and not school.is_right(OTHER)
    undone = runs.recent(school.store, "springfield")[0].run
    assert school.syncd("undo", undone).code == 0
    assert school.is_right(OTHER) and not school.is_right(WORD)


def test_undoing_one_run_after_the_other_goes_back_step_by_step(school: School) -> None:
    numbers = []
    for word, name in ((WORD, "Vera"), (OTHER, "Verena"), ("a third word", "Veronika")):
        school.send(word, Vera=name)
        numbers.append(school.sync()["run"])
    assert school.syncd("undo", numbers[2]).code == 0 and school.is_right(OTHER)
    assert school.syncd("undo", numbers[1]).code == 0 and school.is_right(WORD)


def test_a_dry_run_keeps_none(school: School) -> None:
    assert school.sync("--dry-run")["state"] == "planned"
    assert school.hashes() == {}


def test_a_run_that_fails_changes_nobodys_password_and_leaves_its_work_to_the_next(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    school.sync()
    school.send(OTHER)

    def power_cut(*_: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr(run_module, "apply", power_cut)
        school.sync(code=1)
    assert school.is_right(WORD) and not school.is_right(OTHER)
    made = school.hashes()[VERA][-1]
    assert verify_persons(made, OTHER)
    school.sync()
    assert school.is_right(OTHER) and school.hashes()[VERA][-1] == made, "it was not made again"


def test_who_stops_asking_has_none_any_more(school: School) -> None:
    school.sync()
    school.ask(keys="")
    school.sync()
    assert school.hashes() == {}


def test_of_who_left_no_word_is_right_and_of_who_is_forgotten_no_hash_is_left(school: School) -> None:
    school.send(**{"00008,Philipp,Furch,pfurch,,": "00008,Philipp,Furch,pfurch,his-word,"})
    school.sync()
    assert set(school.hashes()) == {VERA, "student:00008"} and school.is_right("his-word", "student:00008")
    gone = full(STUDENTS).partition("\n00007")[0] + "\n" + next(row for row in STUDENTS.splitlines() if row.startswith("00008")) + "\n"
    (school.files / "students.csv").write_text(gone)
    school.sync()
    assert not school.is_right(WORD) and VERA in school.hashes(), "should they come back"
    purge.forget(school.store, "springfield", VERA, datetime.now(UTC), by=PRINCIPAL)
    assert VERA not in school.hashes() and "student:00008" in school.hashes()


def test_who_was_forgotten_and_comes_back_has_what_comes_with_them(school: School) -> None:
    school.sync()
    rest = "\n".join(row for row in STUDENTS.splitlines() if not row.startswith("00007"))
    (school.files / "students.csv").write_text(full(f"{rest}\n"))
    school.sync()
    purge.forget(school.store, "springfield", VERA, datetime.now(UTC), by=PRINCIPAL)
    school.send()
    school.sync()
    assert school.is_right(WORD)


def test_earlier_ones_go_with_the_old_values_of_the_change_log(school: School) -> None:
    school.sync()
    school.send(OTHER)
    school.sync()
    later = datetime.now(UTC) + timedelta(days=400)
    purge.purge(school.store, lambda _source: {}, later, by=PRINCIPAL)
    assert len(school.hashes()[VERA]) == 2, "nothing goes by itself"
    purge.purge(school.store, lambda _source: {"history_days": 365}, later, by=PRINCIPAL)
    assert len(school.hashes()[VERA]) == 1 and school.is_right(OTHER)


def test_who_gets_another_id_keeps_the_password(school: School) -> None:
    school.ask(more='[sources.springfield.guard]\nrekey = "apply"\n')
    school.sync()
    renumbered = STUDENTS.replace("00007,", "00077,").replace(WORD, "")
    (school.files / "students.csv").write_text(full(renumbered))
    report = school.sync()
    assert school.is_right(WORD, "student:00077") and not school.is_right(WORD, VERA), "although the cell is empty now"
    assert school.syncd("undo", report["run"]).code == 0
    assert school.is_right(WORD, VERA)


def test_of_two_rows_of_one_child_that_say_different_things_none_is_believed(school: School) -> None:
    school.sync()
    row = next(line for line in STUDENTS.splitlines() if line.startswith("00007"))
    twice = full(STUDENTS) + row.replace("Vera", "Verena").replace(WORD, OTHER) + "\n"
    (school.files / "students.csv").write_text(twice)
    school.sync()
    assert school.is_right(WORD) and not school.is_right(OTHER)


def test_words_can_not_be_tried_out_quickly_on_the_digest_of_the_files(school: School) -> None:
    school.sync()
    with school.store.read() as connection:
        cursor = connection.execute(select(metadata.tables["sources"].c.cursor)).scalar_one()
    with Bundle(school.files, "springfield") as files:
        quick = files.digest()
    assert quick not in repr(cursor) and cursor["bundle"] == slow_digest(quick, "springfield")
    assert school.syncd("sync", "springfield", "--json").code == 0, "and the same files are known again by it"
    assert runs.recent(school.store, "springfield")[0].mode == Mode.INCREMENTAL


def test_a_run_ends_when_its_hashes_are_made(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def slowly(word: str) -> str:
        made.append(datetime.now(UTC))
        return hashed_persons(word)

    monkeypatch.setattr("syncd.sync.passwords.hashed_persons", slowly)
    school.sync()
    report = runs.recent(school.store, "springfield")[0]
    assert made and report.finished_at is not None and report.finished_at > made[-1]


def test_who_waits_for_an_approval_has_their_word_when_it_comes(school: School) -> None:
    (school.files / "students.csv").write_text(full(STUDENTS.partition("\n")[0] + "\n"))
    school.sync()
    school.ask(more="[sources.springfield.guard]\nmax_creations = 1\n")
    school.send()
    report = school.sync(code=3)
    assert report["state"] == "held" and not school.is_right(WORD)
    held = school.sync(code=3)["run"]
    purge.purge(school.store, lambda _source: {}, datetime.now(UTC), by=PRINCIPAL)
    assert school.syncd("approve", held).code == 0
    assert school.is_right(WORD)


def test_a_key_that_is_none_is_told_and_nothing_is_read(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD_KEY", "too short")
    report = school.sync(code=1)
    assert report["error"] == ("springfield: password_key has fewer than 32 letters. `syncd db new-key` makes one that will do.")
    monkeypatch.delenv("PASSWORD_KEY")
    refused = school.syncd("sync", "springfield")
    assert refused.code == 2 and "PASSWORD_KEY is not set" in refused.err


def test_who_tries_words_is_slowed_down_and_a_right_one_counts_no_more(school: School) -> None:
    school.sync()

    def tried(word: str, minutes: int) -> bool:
        return passwords.is_right(school.store, "springfield", VERA, word, school.now + timedelta(minutes=minutes))

    assert [tried(WORD, 0) for _ in range(7)] == [True] * 7
    assert [tried(OTHER, 0) for _ in range(5)] == [False] * 5
    with pytest.raises(TooManyTries):
        tried(WORD, 0)
    assert not passwords.is_right(school.store, "springfield", "student:00008", OTHER, school.now), "of others it may still be asked"
    assert tried(WORD, 16)


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_oneroster_files_have_passwords_too(version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD_KEY", KEY)
    files = whole() if version == "1.1" else whole(manifest=manifest("1.2", roles="bulk"), users=USERS_1_2, roles=ROLES)
    imported = Imported(tmp_path / "store", bundle(tmp_path, files))

    def is_right() -> bool:
        return passwords.is_right(imported.store, imported.name, "u1", WORD, datetime.now(UTC))

    assert imported.sync(mode=Mode.FULL).state == "applied" and not is_right()
    imported.settings = imported.settings.model_copy(update={"password_key": Secret(env="PASSWORD_KEY")})
    assert imported.sync(mode=Mode.FULL, anew=True).state == "applied" and is_right()
    assert not any(WORD in repr(record) or FIELD in repr(record) for record in imported.everything()["users"])
