"""The security rows of docs/faults.md that belong to what is built: words as attacks, secrets, personal data, files, connectors."""

import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from syncd.contract import discovery
from syncd.observe import logs
from syncd.sandbox import District, Sandbox, running
from syncd.store import lease, open_store, roster
from tests.commands import configure, syncd, syncd_process

INJECTIONS = ["'; DROP TABLE users; --", "x' OR '1'='1", '"; DELETE FROM users; --', "%", "_", "\\", "Robert'); DROP TABLE users;--"]

SEARCHED = ("id", "given_name", "family_name", "username")


@pytest.fixture
def synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Sandbox, Path]]:
    """A sandbox, and a configuration whose two sources were synced once."""
    with running(District.generate(students=20, seed=71)) as sandbox:
        for name, value in (("T", sandbox.token), ("I", sandbox.client_id), ("S", sandbox.client_secret)):
            monkeypatch.setenv(name, value)
        config = configure(tmp_path, sandbox)
        for source in ("springfield", "shelbyville"):
            assert syncd(config, "sync", source).code == 0
        yield sandbox, config


def a_student(sandbox: Sandbox) -> Any:
    return next(user for user in sandbox.district.users.values() if user.roles[0].role == "student" and user.guardians and not user.gone)


# ── S1, S14: words that act ───────────────────────────────────────────────────────────────────────────


@pytest.mark.fault("S1")
def test_sql_in_names_ids_and_search_words_is_only_text(synced: tuple[Sandbox, Path]) -> None:
    sandbox, config = synced
    students = [user for user in sandbox.district.users.values() if user.roles[0].role == "student"][: len(INJECTIONS)]
    for user, name in zip(students, INJECTIONS, strict=True):
        sandbox.put("users", id=user.id, family_name=name)
    roles = [{"role": "student", "org": students[0].roles[0].org}]
    sandbox.put("users", id="x' OR '1'='1", given_name="Rowan", family_name="Ashdown", roles=roles)
    sandbox.put("users", id="'; DROP TABLE users; --", given_name="Linden", family_name="Ashdown", roles=roles)
    for source in ("springfield", "shelbyville"):
        assert syncd(config, "sync", source, "--full").code == 0
        for name in INJECTIONS:
            found = json.loads(syncd(config, "roster", "users", "--source", source, "--search", name, "--json").out)["records"]
            assert all(any(name.lower() in str(record[field]).lower() for field in SEARCHED) for record in found)
            assert name in {record["family_name"] for record in found}
            assert syncd(config, "roster", "users", "--search", name, "--as-of", "2").code == 0
    for record_id in ("x' OR '1'='1", "'; DROP TABLE users; --"):
        told = json.loads(syncd(config, "history", "user", record_id, "--json").out)
        assert [record["id"] for record in told["records"]] == [record_id]
    assert "there is no user" in syncd(config, "history", "user", "nobody' OR ''='").err
    assert "has no source" in syncd(config, "quarantine", "x' OR '1'='1").err


@pytest.mark.fault("S14")
def test_escape_codes_and_line_breaks_are_shown_and_never_acted_on(synced: tuple[Sandbox, Path]) -> None:
    sandbox, config = synced
    evil = "\x1b[2J\x9b31m\x07\u202eevil"
    school = next(org for org in sandbox.district.orgs.values() if org.type == "school")
    # As if an older version had stored them.
    with sqlite3.connect(config.parent / "roster.db") as store:
        store.execute("UPDATE users SET given_name = ?, family_name = 'Ash' || char(10) || 'down'", (evil,))
        store.execute("UPDATE orgs SET name = ?", (evil,))
    store.close()
    sent = json.dumps({"sourcedId": "\x1b]0;evil\x07", "name": "x"})
    sandbox.fault("add", path="/orgs", documents=[sent])
    sandbox.rehearse("mass-removal")
    shown = [syncd(config, "sync", source, "--full") for source in ("springfield", "shelbyville")]
    for command in (
        ["roster", "users"], ["roster", "users", "--json"], ["roster", "orgs"], ["roster", "orgs", "--json"], ["status"], ["runs"],
        ["runs", "show", "3", "--changes"], ["history", "org", school.clever_id], ["history", "org", school.clever_id, "--json"],
        ["quarantine", "shelbyville"], ["quarantine", "shelbyville", "--json"], ["quarantine", "shelbyville", "--csv"], ["logs", "4"],
    ):  # fmt: skip
        shown.append(syncd(config, *command))
    text = "".join(found.out + found.err for found in shown)
    assert "evil" in text and not set(text) & {"\x1b", "\x9b", "\x07", "\u202e"}
    assert "Ash\ndown" not in text
    for as_json in (True, False):
        stream = io.StringIO()
        logs.configure(json=as_json, strict=True, stream=stream)
        structlog.get_logger().warning("run failed", error=f"a\nforged line {evil}")
        assert "forged" in stream.getvalue() and stream.getvalue().count("\n") == 1
        assert not set(stream.getvalue()) & {"\x1b", "\x9b", "\x07", "\u202e"}


# ── S7, S8: canaries ──────────────────────────────────────────────────────────────────────────────────

TOKEN, SECRET, CLIENT = "canarytoken7Qx0Vb9", "canarysecret3Lm8Zk2", "canaryclient5Tr1"
PERSON = {
    "given_name": "Zephyrine",
    "family_name": "Quillfeather",
    "email": "z.quillfeather@nobody.example",
    "username": "zquill4711",
    "birth_date": "2011-03-07",
    "phone": "555-017-7431",
    "sms": "555-017-9912",
}


def store_words(store: Path) -> str:
    """All that the store keeps about runs: their rows, logs, quarantine."""
    connection = sqlite3.connect(store)
    tables = ("runs", "run_log", "quarantine", "sources")
    words = "\n".join(str(row) for table in tables for row in connection.execute(f"SELECT * FROM {table}"))
    connection.close()
    return words


@pytest.mark.fault("S7", "S8", "S16")
def test_no_secret_and_nobodys_name_is_in_anything_that_a_whole_life_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("T", TOKEN), ("I", CLIENT), ("S", SECRET)):
        monkeypatch.setenv(name, value)
    told: list[str] = []

    def say(code: int, *arguments: str, where: Path | None = None) -> None:
        done = syncd_process(where or config, *arguments)
        assert done.returncode == code, (arguments, done.stderr)
        told.append(f"$ {' '.join(arguments)}\n{done.stdout}{done.stderr}")

    with running(District.generate(students=40, seed=72), token=TOKEN, client_id=CLIENT, client_secret=SECRET) as sandbox:
        config = configure(tmp_path, sandbox)
        student = a_student(sandbox)
        sandbox.put("users", id=student.id, **PERSON)
        sandbox.put("users", id=student.guardians[0].id, phone=PERSON["phone"], family_name=PERSON["family_name"])
        say(0, "check", "--connect")
        say(0, "sync", "shelbyville", "--json")
        say(0, "sync", "springfield")
        sandbox.rehearse("empty-roster")
        say(3, "sync", "springfield", "--full")
        say(0, "runs", "show", "3", "--changes")
        say(0, "approve", "3")
        say(0, "undo", "4")
        sandbox.clear_faults()
        # What can not be read, and errors that quote a child and our secrets.
        ill = {"sourcedId": student.id, "givenName": PERSON["given_name"], "email": PERSON["email"], "odd": "x" * 20_000}
        sandbox.fault("replace", path="/users", prefix="/ims", documents=[json.dumps(ill)])
        born = {"sourcedId": student.id, "birthDate": f"{PERSON['family_name']} {PERSON['birth_date']}"}
        sandbox.fault("replace", path="/demographics", documents=[json.dumps(born)])
        sandbox.put("users", id=student.guardians[0].id, given_name=PERSON["given_name"])
        say(1, "verify", "shelbyville")
        say(0, "sync", "shelbyville", "--full")
        say(0, "quarantine", "shelbyville", "--csv")
        body = {"message": f"{PERSON['family_name']} {PERSON['email']} Bearer {TOKEN} {SECRET}"}
        sandbox.fault("status", path="/v3.1/users", status=400, body=body)
        say(1, "sync", "springfield", "--full")
        sandbox.clear_faults()
        say(0, "status")
        say(0, "logs", "8")
        wrong = tmp_path / "wrong.toml"
        wrong.write_text(config.read_text().replace('{ env = "T" }', f'"{TOKEN}"').replace('{ env = "S" }', f'["{SECRET}"]'))
        say(2, "check", where=wrong)
        wrong.write_text(f'[sources.springfield]\nconnector = "clever"\ntoken = "{TOKEN}')
        say(2, "check", where=wrong)
        log = daemons_log(config)
        for arguments in (
            ["runs", "--json"], ["runs", "show", "3", "--json"], ["status", "--json"], ["logs", "7", "--json"],
            ["quarantine", "shelbyville"], ["quarantine", "shelbyville", "--json"], ["sync", "springfield", "--dry-run", "--json"],
            ["verify", "springfield", "--json"], ["check", "--connect", "--json"], ["db", "status"], ["db", "check"],
        ):  # fmt: skip
            told.append("".join(syncd(config, *arguments)[1:]))
    secrets = (TOKEN, SECRET, CLIENT)
    said = "\n".join([*told, log, store_words(tmp_path / "roster.db")])
    assert all(word in said for word in ("run finished", "too-long", "not-a-date", "answered 400", "a secret may not stand", "held"))
    assert [word for word in (*secrets, *PERSON.values()) if word in said] == []
    # What shows the roster shows names, and never a secret; and no secret lies in the store.
    shown = syncd(config, "roster", "users", "--status", "all", "--json").out + syncd(config, "history", "user", student.id, "--json").out
    files = b"".join(file.read_bytes() for file in tmp_path.glob("roster.db*"))
    assert PERSON["family_name"] in shown and PERSON["family_name"].encode() in files
    assert [word for word in secrets if word in shown or word.encode() in files] == []
    # Code of others runs with all rights: the daemon says whose it is.
    connectors = {line["connector"]: line["where"] for line in json_lines(log) if line["event"] == "connector installed"}
    assert connectors == dict(discovery.installed()) and re.match(r"syncd \S+, connectors\.clever:CleverConnector", connectors["clever"])
    assert "install only what you trust" in Path("docs/configuration.md").read_text(encoding="utf-8")


def daemons_log(config: Path) -> str:
    """What the daemon says from its start over a run to its end, and what the process list says of it."""
    log = config.with_name("daemon.log")
    environment = {name: value for name, value in os.environ.items() if name != "SYNCD_DEBUG"}
    command = [sys.executable, "-m", "syncd", "--config", str(config), "serve"]
    with log.open("wb") as file:
        daemon = subprocess.Popen(command, stderr=file, stdout=file, env=environment)
    try:
        deadline = time.monotonic() + 60
        while "run finished" not in log.read_text():
            assert time.monotonic() < deadline and daemon.poll() is None, log.read_text()[-2000:]
            time.sleep(0.05)
        listed = Path(f"/proc/{daemon.pid}/cmdline").read_text()
    finally:
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(30) == 0
    return log.read_text() + listed


def json_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


# ── S11: files ────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def open_umask() -> Iterator[None]:
    """As on a machine that lets everybody read what anybody writes."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
@pytest.mark.fault("S11")
def test_store_wal_locks_folders_and_configuration_are_their_owners_alone(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/deep/inside/roster.db")
    with lease.hold(store, "springfield"), store.write(), store.read() as reading:
        reading.exec_driver_sql("SELECT 1")
        made = {path.name: path.stat().st_mode & 0o777 for path in sorted(tmp_path.rglob("*"))}
    assert made == {
        "deep": 0o700,
        "inside": 0o700,
        **dict.fromkeys(["roster.db", "roster.db-shm", "roster.db-springfield.lock", "roster.db-wal"], 0o600),
    }
    config = tmp_path / "syncd.toml"
    assert syncd(config, "init", "--connector", "clever", "--name", "springfield").code == 0
    assert config.stat().st_mode & 0o777 == 0o600


@pytest.mark.fault("S11")
def test_a_store_that_came_out_of_a_backup_readable_by_all_is_closed_again(tmp_path: Path) -> None:
    path = open_store(f"sqlite:///{tmp_path}/roster.db").path
    path.chmod(0o664)
    store = open_store(f"sqlite:///{path}")
    assert path.stat().st_mode & 0o777 == 0o660
    assert list(roster.records(store, "user")) == []


@pytest.mark.fault("S11")
@pytest.mark.parametrize(
    ("folder", "secret", "config", "told"),
    [
        (0o755, 0o644, 0o644, "token: file {secret} can be read by everybody on this machine"),
        (0o755, 0o600, 0o666, "{config}: everybody on this machine may change it"),
        (0o755, 0o640, 0o644, None),
        (0o700, 0o644, 0o666, None),
    ],
)
def test_a_secret_that_all_can_read_and_a_configuration_that_all_can_write_are_refused(
    folder: int, secret: int, config: int, told: str | None
) -> None:
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        files = {"secret": place / "token", "config": place / "syncd.toml"}
        files["secret"].write_text("some-token-for-tests")
        files["config"].write_text(f'[sources.springfield]\nconnector = "clever"\ntoken = {{ file = "{files["secret"]}" }}\n')
        for path, mode in ((place, folder), (files["secret"], secret), (files["config"], config)):
            path.chmod(mode)
        done = syncd(files["config"], "check")
        assert done.code == (0 if told is None else 2), done.err
        if told is not None:
            assert told.format(**files) in done.err


# ── S17: holes ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.fault("S17")
def test_the_makefile_looks_for_unsafe_code_in_lint_and_for_known_holes_in_audit() -> None:
    makefile = Path("Makefile").read_text(encoding="utf-8")
    steps = {found[1]: found[2] for found in re.finditer(r"^(\w+):.*?##.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)}
    assert "bandit --quiet --configfile pyproject.toml --recursive syncd connectors" in steps["lint"]
    assert "pip-audit" in steps["audit"] and "audit" not in steps["test"] + steps["lint"]
    assert {"bandit", "pip-audit"} <= set(re.findall(r'^    "([a-z-]+)>=', Path("pyproject.toml").read_text(), re.MULTILINE))
