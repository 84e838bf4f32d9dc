"""Notices as they reach people: from the runs in the store, by Apprise, over a real socket."""

import base64
import io
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from syncd.errors import ConfigError
from syncd.notices import jobs, people
from syncd.report import State
from syncd.settings.file import load
from syncd.store import deliveries
from syncd.store.deliveries import Delivered
from tests.commands import syncd
from tests.notices.district import MASS, Books, configured
from tests.notices.receiver import Receiver, receiving

TOKEN = "canary-hook-token-5150"
TO = '\n[notices]\nto = [{ env = "MAIL" }]\n'


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch, receiver: Receiver) -> None:
    monkeypatch.setenv("SOURCE_TOKEN", "a-token-for-tests")
    monkeypatch.setenv("MAIL", f"json://{receiver.address}/{TOKEN}")


class Office(Books):
    """People who are told of a district's sources."""

    def __init__(self, folder: Path, receiver: Receiver) -> None:
        super().__init__(folder)
        self.receiver = receiver
        self.settings = self.configure(TO)
        self.people = people.People(threading.Event())

    def look(self, **later: float) -> list[str]:
        """What is told when so much time has passed: title and text."""
        before = len(self.receiver.got)
        with time_machine.travel(self.later(**(later or {"minutes": 1})), tick=True):
            jobs.see_to(self.store, self.settings, datetime.now(UTC))
            self.people.send(self.store, people.addresses(self.settings))
        return told(self.receiver)[before:]


def told(receiver: Receiver) -> list[str]:
    return ["{title}\n{message}".format(**json.loads(got.body)) for got in receiver.got]


@pytest.fixture
def office(tmp_path: Path, receiver: Receiver) -> Iterator[Office]:
    yield Office(tmp_path, receiver)


def test_without_addresses_nobody_is_told(office: Office) -> None:
    office.settings = office.configure()
    office.fail(times=9)
    assert office.look() == [] and deliveries.listed(office.store) == []


def test_after_the_third_failure_in_a_row_somebody_is_told_what_and_what_to_do(office: Office) -> None:
    office.run()
    office.fail(times=2)
    assert office.look() == []
    [last] = office.fail()
    (text,) = office.look()
    assert text.startswith("syncd: springfield fails\nspringfield: 3 runs in a row failed; the last good sync was ")
    assert f"Run {last.run}: sis.example.org answered 503" in text and "syncd status tells why" in text
    assert office.look(hours=3) == []
    office.run()
    assert office.look() == ["syncd: springfield is in order again\nspringfield: syncs again."]


def test_a_run_that_was_stopped_or_a_dry_one_says_nothing_and_one_that_died_does(office: Office) -> None:
    office.fail(times=2)
    office.run(state=State.FAILED, error="springfield: the run was asked to stop; nothing of it was applied.")
    assert office.look() == []
    office.run(state=State.FAILED, error="the run was interrupted before it could apply anything")
    assert len(office.look()) == 1


def test_a_hold_is_told_with_its_numbers_and_the_answers(office: Office) -> None:
    office.settings = office.configure(TO + "stale = false\n")
    held = office.hold()
    (text,) = office.look()
    assert text.startswith(
        f"syncd: springfield waits for a person\nspringfield: run {held.run} waits: 412 of 960 users would be deactivated"
    )
    assert "400 of them at Lincoln Elementary" in text
    assert f"syncd approve {held.run}" in text and f"syncd reject {held.run}" in text
    (text,) = office.look(days=3)
    assert text.startswith("syncd: springfield still waits for a person")


def test_a_restart_tells_nothing_twice_and_a_second_machine_neither(office: Office, tmp_path: Path) -> None:
    office.hold()
    assert len(office.look()) == 1
    again = Office(tmp_path, office.receiver)
    again.now = office.now
    assert again.look() == [] and again.look(hours=1) == []


def test_no_good_sync_for_a_day_is_told_when_one_was_due(office: Office) -> None:
    office.settings = office.configure(
        TO, shelbyville='schedule = "0 6 * * 1"', ogdenville="enabled = false", capital='notices = { stale = "2 hours" }'
    )
    for name in ("springfield", "shelbyville", "ogdenville", "capital"):
        office.run(name)
    assert office.look(hours=2) == []
    assert [text.split("\n")[0] for text in office.look(minutes=20)] == ["syncd: capital was not synced for long"]
    assert [text.split("\n")[0] for text in office.look(hours=24)] == ["syncd: springfield was not synced for long"]
    (text,) = office.look(days=8)
    assert text.startswith("syncd: shelbyville was not synced for long"), "it is pulled on Mondays only"


def test_after_a_start_what_was_missed_is_made_up_for_before_anybody_is_told(office: Office) -> None:
    office.run()
    at = office.later(days=3)
    jobs.see_to(office.store, office.settings, at, settled=False)
    assert deliveries.listed(office.store) == []
    jobs.see_to(office.store, office.settings, at, settled=True)
    assert [delivery.about for delivery in deliveries.listed(office.store)] == ["stale"]


def token(**claims: object) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"alg": "none"}, claims)]
    return ".".join([*parts, "c2lnbmVk"])


def test_credentials_that_end_soon_are_told_by_a_date_or_by_what_a_token_says(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = office.now + timedelta(days=20)
    monkeypatch.setenv("SOURCE_TOKEN", token(exp=int(ends.timestamp()), sub="canary-subject"))
    office.settings = office.configure(TO + "stale = false\n", shelbyville=f"expires = {ends + timedelta(days=10):%Y-%m-%d}", ogdenville="")
    assert office.look() == []
    (text,) = office.look(days=7)
    assert text.startswith("syncd: 3 sources need new credentials") and "springfield: what token names will end on" in text
    assert "canary" not in text
    assert "shelbyville: its credentials will end" in office.look(days=10)[0]
    assert "ended on" in office.look(days=10)[0]


@pytest.mark.parametrize("odd", ["a.b.c", "a.bm8.c", token(), token(exp="soon"), token(exp=1e300), token(exp=True), "..", "x"])
def test_a_token_that_tells_no_end_is_none(office: Office, monkeypatch: pytest.MonkeyPatch, odd: str) -> None:
    monkeypatch.setenv("SOURCE_TOKEN", odd)
    assert office.look(days=1) == []


def test_others_are_told_of_a_source_that_says_so_or_nobody(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as theirs:
        monkeypatch.setenv("THEIRS", f"json://{theirs.address}/")
        office.settings = office.configure(
            TO, shelbyville='notices = { to = [{ env = "THEIRS" }], failures = 1 }', ogdenville="notices = { to = [] }"
        )
        for name in ("springfield", "shelbyville", "ogdenville"):
            office.fail(name, times=1 if name == "shelbyville" else 5)
        assert [text.split("\n")[0] for text in office.look()] == ["syncd: springfield fails"]
        assert [text.split("\n")[0] for text in told(theirs)] == ["syncd: shelbyville fails"]


def test_many_sources_are_told_in_a_few_lines(office: Office) -> None:
    names = [f"district-{number:02}" for number in range(12)]
    office.settings = office.configure(f"{TO}failures = 1\n", **dict.fromkeys(names, ""))
    for name in names:
        office.fail(name)
    (text,) = office.look()
    assert text.startswith("syncd: 12 sources fail\ndistrict-00: its last run failed") and text.count("\n") == 12
    assert "… and 2 more." in text


def test_an_address_that_does_not_answer_is_tried_again_and_holds_the_others_up_for_no_time(
    office: Office, monkeypatch: pytest.MonkeyPatch, strict_logs: io.StringIO
) -> None:
    monkeypatch.setattr(people, "DEADLINE", 0.3)
    with receiving() as theirs:
        monkeypatch.setenv("THEIRS", f"json://{theirs.address}/{TOKEN}")
        office.settings = office.configure('\n[notices]\nto = [{ env = "MAIL" }, { env = "THEIRS" }]\n')
        office.receiver.hang = threading.Event()
        office.hold()
        office.look()
        assert len(told(theirs)) == 1 and len(office.receiver.got) == 1
        states = {delivery.target: delivery.state for delivery in deliveries.listed(office.store)}
        assert states == {"env MAIL": Delivered.WAITING, "env THEIRS": Delivered.SENT}
        office.receiver.hang.set()
        office.people = people.People(threading.Event())
        assert len(office.look()) == 1 and len(told(theirs)) == 1
    assert "not delivered" in strict_logs.getvalue() and '"where": "env MAIL"' in strict_logs.getvalue()
    assert TOKEN not in strict_logs.getvalue()


def test_what_a_school_is_called_can_not_act_on_a_screen(office: Office) -> None:
    office.hold("springfield", MASS.model_copy(update={"org_name": "Lincoln\x1b[2J\u202e\n\nsyncd: all is well"}))
    (text,) = office.look()
    assert not set(text) & {"\x1b", "\u202e"} and "Lincoln" in text
    assert not any(line.startswith("syncd: all is well") for line in text.split("\n"))


def test_the_test_says_of_each_address_whether_it_went_and_never_the_address(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("ODD", "no-such-service://x"), ("DEAD", f"json://127.0.0.1:9/{TOKEN}")):
        monkeypatch.setenv(name, value)
    to = '\n[notices]\nto = [{ env = "MAIL" }, { env = "ODD" }, { env = "DEAD" }, { env = "UNSET" }]\n'
    config = configured(tmp_path, to, shelbyville='notices = { to = [{ env = "MAIL" }] }', ogdenville="notices = { to = [] }").path
    said = syncd(config, "notify", "test")
    assert said.code == 1 and TOKEN not in said.out + said.err
    lines = said.out.splitlines()
    assert lines[0] == "1: env MAIL, json: sent"
    assert lines[1].startswith("2: env ODD, unknown: is no address that Apprise knows")
    assert lines[2].startswith("3: env DEAD, json: was not taken")
    assert lines[3].startswith("4: env UNSET, unknown: the environment variable UNSET is not set")
    assert [text.split("\n")[0] for text in told(receiver)] == ["syncd: a test"]
    assert syncd(config, "notify", "test", "--source", "shelbyville").code == 0
    assert "names nobody to tell" in syncd(config, "notify", "test", "--source", "ogdenville").err
    assert [target["sent"] for target in json.loads(syncd(config, "notify", "test", "--json").out)["targets"]] == [
        True,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ('to = ["json://sis.example.org/"]', "to.0: a secret may not stand in the file itself"),
        ("failures = 0", "failures: write a number of runs from 1 to 100, or false"),
        ("failures = true", "failures: write a number of runs"),
        ('stale = "soon"', 'stale: write a time such as "36 hours" or "1 day", or false'),
        ("remind = true", "remind: write a time"),
        ('to = [{ env = "UNSET" }]', "to: the environment variable UNSET is not set"),
        ("loud = true", "loud: is not a key that is known here"),
    ],
)
def test_a_wrong_key_is_refused_with_what_is_wrong(tmp_path: Path, lines: str, told: str) -> None:
    config = configured(tmp_path).path
    config.write_text(f"{config.read_text()}\n[notices]\n{lines}\n")
    with pytest.raises(ConfigError) as problem:
        load(config)
    assert told in str(problem.value)
