"""The OneRoster provider, of rosters that change, or are peculiar: what a product reads there is all that is its own, and nothing else."""

import re
from pathlib import Path

import pytest
import requests
from requests.utils import parse_header_links

from syncd.report import Mode
from syncd.store import audit, roster
from tests.console.console import ONEROSTER, served
from tests.console.provider import BASES, ON, Consumer, Product, everything
from tests.journeys.test_round_trips import content, differences


@pytest.mark.parametrize("version", ["1.2", "1.1"])
def test_what_a_consumer_reads_is_the_roster_and_stays_it(version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = ONEROSTER.format(version=version.replace(".", ""))
    with served(tmp_path, students=60, sources=sources, console=ON, synced=True) as console:
        consumer = Consumer(tmp_path / "consumer", Product(console, version=version), monkeypatch)
        report = consumer.sync(mode=Mode.FULL)
        assert (report.state, report.error, report.doubts) == ("applied", None, [])
        assert differences(content(everything(consumer.store)), content(everything(console.store))) == {}
        assert consumer.sync(mode=Mode.FULL).changed == 0

        held = list(roster.records(console.store, "user"))
        leaver, renamed = [one["id"] for one in held if any(role["role"] == "student" for role in one["roles"])][:2]
        console.sandbox.put("users", id=renamed, given_name="Renamed")
        console.sandbox.delete("users", leaver)
        console.sync_by_hand("--full")
        report = consumer.sync(mode=Mode.INCREMENTAL)
        assert (report.mode, report.state, report.error) == ("incremental", "applied", None)
        gone = [one["id"] for one in roster.records(consumer.store, "user", status="inactive")]
        assert report.counts["users"].updated == 1 and leaver in gone
        assert differences(content(everything(consumer.store)), content(everything(console.store))) == {}
        assert consumer.sync(mode=Mode.INCREMENTAL).changed == 0


def test_what_came_from_clever_goes_out_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(tmp_path, students=40, console=ON, synced=True) as console:
        for version in BASES:
            consumer = Consumer(tmp_path / version, Product(console, version=version), monkeypatch)
            report = consumer.sync(mode=Mode.FULL)
            assert (report.state, report.error, report.doubts) == ("applied", None, [])
            mine, theirs = content(everything(console.store)), content(everything(consumer.store))
            assert {kind: set(found) for kind, found in mine.items()} == {kind: set(found) for kind, found in theirs.items()}
            for user_id, user in mine["users"].items():
                came = theirs["users"][user_id]
                for name in ("given_name", "family_name", "email", "state_id", "student_number", "birth_date", "guardian_ids"):
                    assert user[name] == came[name], name
                assert not user["gender"] or came["gender"] in ("male", "female", None if version == "1.1" else "other")


def test_a_list_that_changes_between_two_pages_is_read_as_it_is_now(tmp_path: Path) -> None:
    with served(tmp_path, students=30, sources=ONEROSTER.format(version="12"), console=ON, synced=True) as console:
        product = Product(console)
        first = product.get("/users", limit="5")
        leavers = [one["sourcedId"] for one in product.list("/users")[5:7]]
        for leaver in leavers:
            console.sandbox.delete("users", leaver)
        console.sync_by_hand("--full")
        second = product.get("/users", limit="5", offset="5")
        assert not {one["sourcedId"] for one in second.json()["users"]} & set(leavers)
        assert int(second.headers["X-Total-Count"]) == int(first.headers["X-Total-Count"]) - 2
        assert [one["sourcedId"] for one in second.json()["users"]] == [one["sourcedId"] for one in product.list("/users")[5:10]]


def test_behind_a_proxy_links_lead_back_through_it(tmp_path: Path) -> None:
    proxied = f'{ON}\nbehind_proxy = true\nurl = "https://syncd.example.org"'
    with served(tmp_path, students=20, console=proxied, synced=True) as console:
        product = Product(console)
        told = {"Authorization": f"Bearer {product.token()}", "X-Forwarded-Proto": "https"}
        address = f"{console.url}{BASES['1.2']}/schools"
        # Some proxies say which name was asked for, some ask for this very machine.
        for headers in (told | {"Host": "syncd.example.org"}, told):
            answer = requests.get(address, headers=headers)
            links = [one["url"] for one in parse_header_links(answer.headers["Link"])]
            assert links and all(link.startswith(f"https://syncd.example.org{BASES['1.2']}/schools?") for link in links)
            parent = answer.json()["orgs"][0]["parent"]
            assert parent["href"] == f"https://syncd.example.org{BASES['1.2']}/orgs/{parent['sourcedId']}"


def test_an_id_with_a_slash_is_one_part_of_the_address(tmp_path: Path) -> None:
    with served(tmp_path, students=20, sources=ONEROSTER.format(version="12"), console=ON) as console:
        odd = "a/classes"
        console.sandbox.put("orgs", id=odd, type="school", name="Odd")
        console.sync_by_hand("--full")
        product = Product(console)
        assert product.get("/orgs/a%2Fclasses").json()["org"]["sourcedId"] == odd
        assert product.get("/schools/a%2Fclasses/classes").json() == {"classes": []}
        assert product.get("/schools/a/classes").status_code == 404


def test_who_is_at_a_school_by_an_enrollment_alone_is_seen_there_as_what_they_are_there(tmp_path: Path) -> None:
    with served(tmp_path, students=40, schools=2, sources=ONEROSTER.format(version="12"), console=ON, synced=True) as console:
        here_, there = (one["id"] for one in roster.records(console.store, "org") if one["type"] == "school")
        section = next(one for one in roster.records(console.store, "section") if one["school_id"] == there)["id"]
        guest = next(
            one
            for one in roster.records(console.store, "user")
            if {role["org_id"] for role in one["roles"]} == {here_} and one["grades"] and one["guardian_ids"]
        )
        limited = Product(console, schools={there})
        assert limited.get(f"/users/{guest['id']}").status_code == 404
        newest = max(one["dateLastModified"] for one in limited.list("/users"))
        before = limited.ids("/users")
        console.sandbox.put("enrollments", id="guest-1", user=guest["id"], section=section, role="student")
        console.sync_by_hand("--full")
        came = limited.list("/users", filter=f"dateLastModified>'{newest}'")
        assert {one["sourcedId"] for one in came} == {guest["id"], *guest["guardian_ids"]}, "who goes on by date hears of them"
        assert all(one["dateLastModified"] > newest for one in came)
        assert limited.ids("/users") == before | {guest["id"], *guest["guardian_ids"]}
        told = limited.get(f"/users/{guest['id']}").json()["user"]
        assert [(role["role"], role["org"]["sourcedId"]) for role in told["roles"]] == [("student", there)]
        assert guest["id"] in limited.ids("/students") and "guest-1" in limited.ids("/enrollments")
        assert "primaryOrg" not in told


def test_ids_that_differ_in_a_letters_case_are_two_schools(tmp_path: Path) -> None:
    with served(tmp_path, students=20, sources=ONEROSTER.format(version="12"), console=ON) as console:
        for school in ("case-a", "case-A"):
            console.sandbox.put("orgs", id=school, type="school", name=school)
        console.sandbox.put("users", id="of-small-a", given_name="A", family_name="B", roles=[{"role": "student", "org": "case-a"}])
        console.sync_by_hand("--full")
        assert Product(console, schools={"case-a"}).ids("/users") == {"of-small-a"}
        assert Product(console, schools={"case-A"}).ids("/users") == set()


def test_a_client_reads_its_own_source_only(tmp_path: Path) -> None:
    other = '[sources.ogdenville]\nconnector = "clever"\nurl = "{clever}"\ntoken = {{ env = "CONSOLE_TOKEN" }}\nschedule = "every 1 hour"\n'
    with served(tmp_path, students=20, sources=ONEROSTER.format(version="12") + other, console=ON, synced=True) as console:
        console.command("sync", "ogdenville", "--wait")
        mine = {one["id"] for one in roster.records(console.store, "user", "springfield")}
        theirs = {one["id"] for one in roster.records(console.store, "user", "ogdenville")}
        assert mine and theirs and not mine & theirs
        product = Product(console)
        assert product.ids("/users") == mine
        assert product.get(f"/users/{min(theirs)}").status_code == 404
        assert product.ids("/users", filter="status='active' OR status!='x'") >= mine
        assert not product.ids("/users", filter="status='active' OR status!='x'") & theirs


def test_wrong_secrets_are_limited_and_keep_nobody_else_out(tmp_path: Path) -> None:
    with served(tmp_path, students=20, sources=ONEROSTER.format(version="12"), console=ON, synced=True) as console:
        product = Product(console)
        url, grant = f"{console.url}/oauth/token", {"grant_type": "client_credentials"}
        tried = [requests.post(url, data=grant, auth=(product.client.id, f"wrong-{number}")) for number in range(7)]
        assert [answer.status_code for answer in tried] == [401] * 5 + [429] * 2
        assert int(tried[-1].headers["Retry-After"]) > 0
        assert product.ask_token().status_code == 200, "who knows the secret is let in"
        strangers = [requests.post(url, data=grant, auth=(f"nobody-{number}", "x")).status_code for number in range(20)]
        assert strangers[:10] == [401] * 10 and strangers[-1] == 429, "by address, whatever the name"
        assert console.browse("ada").at("/").status_code == 200, "and people are not counted with them"
        assert product.ask_token().status_code == 200
        noted = [(entry.action, entry.subject) for entry in audit.listed(console.store)]
        assert noted.count(("client sign-in refused", product.client.id)) == 5
        assert noted.count(("client sign-in", product.client.id)) == 1 and ("account client add", product.client.id) in noted
        assert product.secret not in console.log and "wrong-" not in console.log


def test_nothing_is_offered_before_somebody_says_so(tmp_path: Path) -> None:
    with served(tmp_path, students=20, synced=True) as console:
        product = Product(console)
        assert product.ask_token().status_code in (404, 405)
        for base in BASES.values():
            assert requests.get(f"{console.url}{base}/users").status_code == 404


def test_what_was_never_synced_is_no_empty_roster(tmp_path: Path) -> None:
    nowhere = '[sources.springfield]\nconnector = "clever"\nurl = "{clever}"\ntoken = {{ env = "CONSOLE_TOKEN" }}\nenabled = false\n'
    with served(tmp_path, students=20, sources=nowhere, console=ON) as console:
        answer = Product(console).get("/users")
        assert answer.status_code == 503 and "users" not in answer.json() and answer.headers["Retry-After"]


def test_a_source_that_was_taken_away_is_not_offered_any_more(tmp_path: Path) -> None:
    with served(tmp_path, students=20, console=ON, synced=True) as console:
        product = Product(console)
        assert product.get("/users").status_code == 200
        console.stop()
        console.config.write_text(re.sub(r"\[sources\.springfield\]", "[sources.shelbyville]", console.config.read_text()))
        console.start()
        assert product.get("/users").status_code == 403
