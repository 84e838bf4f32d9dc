"""Reports for programs: each run's, whole, signed, in order and at least once, over a real socket."""

import base64
import hashlib
import hmac
import io
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from syncd.errors import ConfigError
from syncd.notices import webhooks
from syncd.report import State
from syncd.settings.file import load
from syncd.store import deliveries, runs
from syncd.store.deliveries import WAITS, Delivered
from tests.commands import syncd
from tests.notices.district import Books, configured
from tests.notices.receiver import Got, Receiver

KEY, OLD_KEY = bytes(range(32)), bytes(range(100, 132))
WEBHOOK = """
[webhooks.portal]
url = "http://{address}/hooks/syncd"
secret = {{ env = "PORTAL_SECRET" }}
"""


def written(key: bytes) -> str:
    return "whsec_" + base64.b64encode(key).decode()


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_SECRET", written(KEY))
    monkeypatch.setenv("OLD_SECRET", written(OLD_KEY))
    monkeypatch.setenv("SOURCE_TOKEN", "a-token-for-tests")


class Portal(Books):
    """A district that tells a program of its runs."""

    def __init__(self, folder: Path, receiver: Receiver) -> None:
        super().__init__(folder)
        self.receiver = receiver
        self.later(hours=-1)
        self.tell()
        self.look()

    def tell(self, more: str = "") -> None:
        """more: lines of the webhook."""
        self.settings = self.configure(WEBHOOK.format(address=self.receiver.address) + more, shelbyville="")

    def look(self, **later: float) -> list[Got]:
        """What the receiver gets when so much time has passed; a few seconds, by default."""
        self.later(**(later or {"seconds": 3}))
        before = len(self.receiver.got)
        with time_machine.travel(self.now, tick=True):
            webhooks.see_to_runs(self.store, self.settings.webhooks, datetime.now(UTC))
            webhooks.send(self.store, self.settings.webhooks, threading.Event())
        return self.receiver.got[before:]

    def states(self) -> list[Delivered]:
        return [delivery.state for delivery in sorted(deliveries.listed(self.store))]


@pytest.fixture
def portal(tmp_path: Path, receiver: Receiver) -> Iterator[Portal]:
    yield Portal(tmp_path, receiver)


def runs_of(got: list[Got]) -> list[int]:
    return [json.loads(one.body)["run"] for one in got]


def is_genuine(got: Got, key: bytes, now: datetime) -> bool:
    """As a receiver checks it, by the specification (Standard Webhooks 1.0.0, "Verifying signatures"), with nothing of ours."""
    headers = got.headers
    if abs(now.timestamp() - int(headers["webhook-timestamp"])) > 300:
        return False
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + got.body
    right = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    given = (signature.split(",", 1) for signature in headers["webhook-signature"].split(" "))
    return any(version == "v1" and hmac.compare_digest(value, right) for version, value in given)


def test_each_run_is_posted_as_its_json_and_signed(portal: Portal) -> None:
    report = portal.run()
    (got,) = portal.look()
    assert json.loads(got.body) == runs.get(portal.store, report.run).model_dump(mode="json")
    assert (got.path, got.headers["content-type"]) == ("/hooks/syncd", "application/json")
    assert is_genuine(got, KEY, portal.now)
    assert portal.look() == [] and portal.states() == [Delivered.SENT]


def test_a_receiver_notices_what_is_not_ours_or_was_changed_or_is_old(portal: Portal) -> None:
    portal.run()
    (got,) = portal.look()
    assert not is_genuine(got, OLD_KEY, portal.now)
    assert not is_genuine(got._replace(body=got.body.replace(b"applied", b"failed!")), KEY, portal.now)
    assert not is_genuine(got._replace(headers=got.headers | {"webhook-id": "msg_another"}), KEY, portal.now)
    assert not is_genuine(got, KEY, portal.now + timedelta(minutes=10))


def test_while_a_secret_is_changed_both_hold(portal: Portal) -> None:
    portal.tell('old_secret = { env = "OLD_SECRET" }\n')
    portal.run()
    (got,) = portal.look()
    assert is_genuine(got, KEY, portal.now) and is_genuine(got, OLD_KEY, portal.now)


def test_failed_and_held_runs_are_posted_and_dry_ones_and_those_before_are_not(tmp_path: Path, receiver: Receiver) -> None:
    before = Books(tmp_path)
    before.later(hours=-2)
    before.run()
    portal = Portal(tmp_path, receiver)
    portal.run(state=State.PLANNED)
    held = portal.hold()
    [failed] = portal.fail()
    assert [json.loads(got.body)["state"] for got in portal.look()] == ["held", "failed"]
    assert runs_of(receiver.got) == [held.run, failed.run]


def test_only_the_sources_that_it_wants(portal: Portal) -> None:
    portal.tell('sources = ["shelbyville"]\n')
    portal.run("springfield")
    wanted = portal.run("shelbyville")
    assert runs_of(portal.look()) == [wanted.run]


def test_a_run_whose_process_died_is_posted_when_the_next_one_says_so(portal: Portal) -> None:
    with portal.store.write() as connection:
        dead, _ = runs.start(connection, "springfield", mode="full", trigger="schedule", at=portal.now)
    assert portal.look() == []
    following = portal.run()
    got = portal.look()
    assert runs_of(got) == [dead, following.run] and json.loads(got[0].body)["error"] == runs.INTERRUPTED


def test_a_receiver_that_is_down_for_hours_gets_everything_in_order_when_it_is_back(portal: Portal) -> None:
    portal.receiver.answer = lambda _got: 503
    made: dict[str, list[int]] = {"springfield": [], "shelbyville": []}
    for _ in range(4):
        for name, numbers in made.items():
            numbers.append(portal.run(name).run)
        portal.look(minutes=40)
    tried = len(portal.receiver.got)
    assert tried < 12, "one that is down is not pressed"
    portal.receiver.answer = lambda _got: 204
    got = portal.look(minutes=31)
    assert len(got) == 8 and portal.states() == [Delivered.SENT] * 8
    for name, numbers in made.items():
        assert [json.loads(one.body)["run"] for one in got if json.loads(one.body)["source"] == name] == numbers
    first = {one.headers["webhook-id"] for one in portal.receiver.got if runs_of([one]) == [made["springfield"][0]]}
    assert len(first) == 1, "the same message has the same id at each try"


def test_a_later_report_does_not_overtake_an_earlier_one_of_its_source(portal: Portal) -> None:
    first, second, other = portal.run(), portal.run(), portal.run("shelbyville")
    portal.receiver.answer = lambda got: 500 if runs_of([got]) == [first.run] else 204
    assert runs_of(portal.look()) == [first.run, other.run]
    portal.receiver.answer = lambda _got: 200
    assert portal.look() == []
    assert runs_of(portal.look(seconds=WAITS[0])) == [first.run, second.run]


def test_a_report_that_its_receiver_never_takes_is_given_up_and_can_be_sent_again_by_hand(portal: Portal) -> None:
    bad, good = portal.run(), portal.run()
    portal.receiver.answer = lambda got: 400 if runs_of([got]) == [bad.run] else 204
    portal.look()
    for _ in range(12):
        portal.look(hours=3)
    assert portal.states() == [Delivered.DEAD, Delivered.SENT]
    assert runs_of(portal.receiver.got)[-1] == good.run
    assert 5 <= runs_of(portal.receiver.got).count(bad.run) <= 12
    config = portal.settings.path
    told = syncd(config, "notify", "deliveries").out
    assert "given up" in told and "portal" in told and f"run {bad.run}" in told and "400" in told
    (dead,) = [one for one in json.loads(syncd(config, "notify", "deliveries", "--json").out)["deliveries"] if one["state"] == "dead"]
    portal.receiver.answer = lambda _got: 204
    with time_machine.travel(portal.now, tick=True):
        assert syncd(config, "notify", "retry", dead["id"]).code == 0
    assert runs_of(portal.look()) == [bad.run]
    assert "has arrived" in syncd(config, "notify", "retry", dead["id"]).err
    assert "there is no delivery 4711" in syncd(config, "notify", "retry", 4711).err


def test_what_only_waited_behind_others_has_three_days_when_the_receiver_stays_down(portal: Portal) -> None:
    portal.receiver.answer = lambda _got: 503
    for _ in range(5):
        portal.run()
    for _ in range(4):
        portal.look(seconds=400)
    portal.look(hours=25)
    assert portal.states() == [Delivered.DEAD, *[Delivered.WAITING] * 4]
    portal.look(hours=48)
    assert portal.states() == [Delivered.DEAD] * 5
    assert deliveries.clear(portal.store, portal.now + timedelta(days=27)) == 0
    assert deliveries.clear(portal.store, portal.now + timedelta(days=31)) == 5


@pytest.mark.parametrize("answer", [410, (302, {"Location": "/elsewhere"})])
def test_a_receiver_that_is_gone_is_left_alone_and_a_redirect_is_not_followed(portal: Portal, answer: object) -> None:
    portal.receiver.answer = lambda _got: answer
    portal.run()
    assert [got.path for got in portal.look()] == ["/hooks/syncd"]
    assert portal.states() == [Delivered.DEAD if answer == 410 else Delivered.WAITING]


def test_a_receiver_that_asks_for_time_gets_it_and_half_an_hour_at_most(portal: Portal) -> None:
    portal.receiver.answer = lambda _got: (429, {"Retry-After": "900"})
    portal.run()
    assert len(portal.look()) == 1
    portal.run("shelbyville")
    assert portal.look(minutes=14) == []
    portal.receiver.answer = lambda _got: (429, {"Retry-After": "86400"})
    assert len(portal.look(minutes=2)) == 1
    portal.receiver.answer = lambda _got: 200
    assert len(portal.look(minutes=31)) == 2


def test_a_receiver_that_never_answers_holds_nobody_up_for_long(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "WHOLE", 0.2)
    portal.receiver.hang = threading.Event()
    portal.run()
    assert len(portal.look()) == 1
    assert portal.states() == [Delivered.WAITING]
    assert deliveries.listed(portal.store)[0].status is None


# Sends what is due, and dies between an answer and the word that it came.
DIES = """
import os, pathlib, signal, sys, threading
from syncd.notices import webhooks
from syncd.settings.file import load
from syncd.store import deliveries, open_store
deliveries.end = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
settings = load(pathlib.Path(sys.argv[1]))
webhooks.send(open_store(settings.store_url), settings.webhooks, threading.Event())
"""


def test_a_sender_that_is_killed_after_it_posted_posts_again_and_loses_nothing(portal: Portal) -> None:
    """With the same id, by which the receiver knows it."""
    reports = [portal.run(), portal.run()]
    webhooks.see_to_runs(portal.store, portal.settings.webhooks, portal.later(seconds=3))
    killed = subprocess.run([sys.executable, "-c", DIES, str(portal.settings.path)], capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert len(portal.receiver.got) == 1 and portal.states() == [Delivered.WAITING] * 2
    assert portal.look() == []
    portal.look(hours=1, minutes=5)
    assert runs_of(portal.receiver.got) == [reports[0].run, reports[0].run, reports[1].run]
    assert portal.receiver.got[0].headers["webhook-id"] == portal.receiver.got[1].headers["webhook-id"]
    assert portal.receiver.got[0].body == portal.receiver.got[1].body


def test_neither_address_nor_secret_nor_answer_is_logged(
    portal: Portal, monkeypatch: pytest.MonkeyPatch, strict_logs: io.StringIO, tmp_path: Path
) -> None:
    token = "f00dfeed-hook-path-token"
    monkeypatch.setenv("PORTAL_URL", f"http://{portal.receiver.address}/{token}")
    portal.settings = portal.configure('[webhooks.portal]\nurl = { env = "PORTAL_URL" }\nsecret = { env = "PORTAL_SECRET" }\n')
    portal.receiver.answer = lambda _got: 418
    portal.run()
    assert [got.path for got in portal.look()] == [f"/{token}"]
    portal.receiver.close()
    portal.look(minutes=5)
    logged = strict_logs.getvalue()
    assert '"status": 418' in logged and '"where": "portal"' in logged
    assert token not in logged and written(KEY) not in logged
    assert token not in syncd(portal.settings.path, "notify", "deliveries", "--json").out


@pytest.mark.parametrize(
    ("webhook", "told"),
    [
        ('url = "http://sis.example.org/"\nsecret = { env = "PORTAL_SECRET" }', "must begin with https://"),
        ('url = "https://me:word@sis.example.org/"\nsecret = { env = "PORTAL_SECRET" }', "must not hold a user or password"),
        ('url = "https://sis.example.org/"\nsecret = "whsec_MDEyMzQ1"', "a secret may not stand in the file"),
        ('url = "https://sis.example.org/"\nsecret = { env = "SOURCE_TOKEN" }', "holds no signing secret: it is whsec_"),
        ('url = { env = "SOURCE_TOKEN" }\nsecret = { env = "PORTAL_SECRET" }', "holds no such address: it must begin with https://"),
        ('url = "https://sis.example.org/"\nsecret = { env = "PORTAL_SECRET" }\nsources = ["ogdenville"]', "there is no source ogdenville"),
        ('url = "https://sis.example.org/"', "secret: is missing"),
    ],
)
def test_a_wrong_webhook_is_refused_with_what_is_wrong(tmp_path: Path, webhook: str, told: str) -> None:
    config = configured(tmp_path).path
    config.write_text(f"{config.read_text()}\n[webhooks.portal]\n{webhook}\n")
    with pytest.raises(ConfigError, match=r"webhooks.portal") as problem:
        load(config)
    assert told in str(problem.value) and "a-token-for-tests" not in str(problem.value) and "word" not in str(problem.value).split(": ")[-1]
