"""The OneRoster provider: what a product reads there is the roster, all that is its own and nothing else."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from requests.utils import parse_header_links
from sqlalchemy import delete, select, update

from syncd.report import Mode
from syncd.roster.scope import Scope
from syncd.store import clients, roster, tables
from tests.console.console import ONEROSTER, Served, served
from tests.console.provider import BASES, LISTS, ON, WRAPPERS, Consumer, Product, at_schools, paths

PREFIX = "https://purl.imsglobal.org/spec/or/v1p2/scope/"


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("provider")
    sources = ONEROSTER.format(version="12")
    with served(folder, students=90, schools=3, sources=sources, console=ON, synced=True) as found:
        # Some who have left.
        district = found.sandbox.district
        gone = [one.id for one in district.users.values() if one.grades][:3]
        for user in gone:
            found.sandbox.delete("users", user)
        days = {"first_day": "2026-08-17", "last_day": "2026-12-18", "school_year": "2027"}
        found.sandbox.put("terms", id="autumn", name="Autumn", type="term", **days)
        found.sandbox.put("terms", id="weeks-1", name="Weeks 1", type="gradingPeriod", parent="autumn", **days)
        section = min(district.sections)
        found.sandbox.put("sections", id=section, terms=[*district.sections[section].terms, "autumn"])
        found.sync_by_hand("--full")
        yield found


@pytest.fixture(scope="module")
def product(console: Served) -> Product:
    return Product(console)


def test_one_school_can_be_asked_for_by_its_nested_lists(console: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = Consumer(tmp_path / "consumer", Product(console), monkeypatch)
    consumer.sync(mode=Mode.FULL)
    school = next(one["id"] for one in roster.records(console.store, "org") if one["type"] == "school")
    report = consumer.sync(scope=Scope("school", school))
    assert (report.state, report.error, report.changed) == ("applied", None, 0)


@pytest.mark.parametrize("version", list(BASES))
def test_each_address_of_the_standard_answers_with_its_own_key(version: str, console: Served, product: Product) -> None:
    every = paths(console)
    assert len(every) == 41
    for path in every:
        parts = path.split("/")[1:]
        answer = product.get(path, version=version)
        assert answer.status_code == 200, f"{path}: {answer.status_code}"
        many, one = WRAPPERS[parts[-1] if len(parts) != 2 else parts[0]]
        [(key, found)] = answer.json().items()
        assert key == (one if len(parts) == 2 else many), path
        records = [found] if len(parts) == 2 else found
        assert all({"sourcedId", "status", "dateLastModified"} <= record.keys() for record in records)
        assert ("X-Total-Count" in answer.headers) == (len(parts) != 2)
        assert answer.headers["Cache-Control"] == "no-store" and answer.headers["X-Content-Type-Options"] == "nosniff"


def test_nested_lists_hold_what_belongs_there(console: Served, product: Product) -> None:
    enrollments = list(roster.records(console.store, "enrollment"))
    sections = list(roster.records(console.store, "section"))
    users = {one["id"]: one for one in roster.records(console.store, "user")}
    some = next(one for one in sections if sum(other["section_id"] == one["id"] for other in enrollments) > 2)
    school, section = some["school_id"], some["id"]
    here_ = [one for one in enrollments if one["section_id"] == section]
    students = {one["user_id"] for one in here_ if one["role"] == "student"}
    assert students
    assert product.ids(f"/classes/{section}/students") == students == product.ids(f"/schools/{school}/classes/{section}/students")
    assert product.ids(f"/schools/{school}/classes/{section}/enrollments") == {one["id"] for one in here_}
    at = {one["id"] for one in sections if one["school_id"] == school}
    assert product.ids(f"/schools/{school}/classes") == at
    assert product.ids(f"/schools/{school}/enrollments") == {one["id"] for one in enrollments if one["section_id"] in at}
    there = {"org_id": school, "role": "teacher"}
    teachers = {one["id"] for one in users.values() if any(there.items() <= role.items() for role in one["roles"])}
    assert teachers and product.ids(f"/schools/{school}/teachers") == teachers
    assert product.ids("/teachers") == {name for name, one in users.items() if any(role["role"] == "teacher" for role in one["roles"])}
    child = min(students)
    own = {one["section_id"] for one in enrollments if one["user_id"] == child}
    assert product.ids(f"/students/{child}/classes") == own == product.ids(f"/users/{child}/classes")
    assert product.ids(f"/courses/{some['course_id']}/classes") == {one["id"] for one in sections if one["course_id"] == some["course_id"]}
    term = next(one["id"] for one in roster.records(console.store, "term") if one["type"] == "term")
    assert product.ids(f"/terms/{term}/gradingPeriods") == {"weeks-1"}
    assert product.ids(f"/terms/{term}/classes") == {one["id"] for one in sections if term in one["term_ids"]}
    other = next(one["id"] for one in roster.records(console.store, "org") if one["id"] != school and one["type"] == "school")
    for lost in (
        f"/schools/{other}/classes/{section}/students",
        "/classes/none/students",
        f"/schools/{section}/classes",
        f"/students/{section}",
    ):
        assert product.get(lost).status_code == 404, lost


def test_pages_together_are_the_list_and_lead_to_each_other(console: Served, product: Product) -> None:
    whole = {one["id"] for one in roster.records(console.store, "enrollment")}
    for query in ("", "&sort=user.sourcedId&orderBy=desc", "&sort=dateLastModified"):
        at: str | None = f"{console.url}{BASES['1.2']}/enrollments?limit=61{query}"
        came: list[str] = []
        previous = None
        while at is not None:
            answer = product.get(at)
            assert answer.status_code == 200, answer.text
            records = answer.json()["enrollments"]
            assert answer.headers["X-Total-Count"] == str(len(whole)) and len(records) <= 61
            came += [one["sourcedId"] for one in records]
            links = {one["rel"]: one["url"] for one in parse_header_links(answer.headers["Link"])}
            assert links.get("prev") == previous and {"first", "last"} <= links.keys()
            assert all(link.startswith(f"{console.url}{BASES['1.2']}/enrollments?") and "limit=61" in link for link in links.values())
            last = links["last"]
            previous, at = (re.sub(r"offset=\d+", f"offset={len(came) - len(records)}", links["first"]), links.get("next"))
        assert len(came) == len(set(came)) and set(came) == whole, query
        at_end = [one["sourcedId"] for one in product.get(last).json()["enrollments"]]
        assert at_end and came[-len(at_end) :] == at_end
    beyond = product.get("/enrollments", offset="1000000")
    assert (beyond.status_code, beyond.json(), beyond.headers["X-Total-Count"]) == (200, {"enrollments": []}, str(len(whole)))
    assert len(product.get("/enrollments").json()["enrollments"]) == 100


def test_lists_are_sorted_as_asked(console: Served, product: Product) -> None:
    names = [one["familyName"] for one in product.list("/users", sort="familyName", orderBy="asc")]
    assert names == sorted(names) and len(set(names)) > 10
    down = [one["familyName"] for one in product.list("/users", sort="familyName", orderBy="desc")]
    assert down == sorted(names, reverse=True)
    assert [one["sourcedId"] for one in product.list("/users")] == sorted(product.ids("/users"))


def test_a_filter_chooses_what_it_says(console: Served, product: Product) -> None:
    users = {one["id"]: one for one in roster.records(console.store, "user")}
    some = next(one for one in users.values() if one["email"])
    name, email = some["family_name"], some["email"]

    def ids(kept: Callable[[dict[str, Any]], Any]) -> set[str]:
        return {one["id"] for one in users.values() if kept(one)}

    assert product.ids("/users", filter=f"email='{email}'") == ids(lambda one: one["email"] == email)
    assert product.ids("/users", filter=f"familyName='{name}'") == ids(lambda one: one["family_name"] == name)
    assert product.ids("/users", filter=f"familyName!='{name}'") == ids(lambda one: one["family_name"] != name)
    assert product.ids("/users", filter=f"familyName>'{name}'") == ids(lambda one: (one["family_name"] or "") > name)
    assert product.ids("/users", filter=f"familyName<='{name}'") == ids(lambda one: one["family_name"] and one["family_name"] <= name)
    part = name[1:4].upper()
    assert product.ids("/users", filter=f"familyName~'{part}'") == ids(lambda one: part.lower() in (one["family_name"] or "").lower())
    both = f"familyName='{name}' AND givenName='{some['given_name']}'"
    assert product.ids("/users", filter=both) == ids(lambda one: (one["family_name"], one["given_name"]) == (name, some["given_name"]))
    either = f"familyName='{name}' OR email~'@'"
    assert product.ids("/users", filter=either) == ids(lambda one: one["family_name"] == name or "@" in (one["email"] or ""))
    section = next(iter(roster.records(console.store, "section")))["id"]
    there = {one["id"] for one in roster.records(console.store, "enrollment") if one["section_id"] == section}
    assert product.ids("/enrollments", filter=f"class.sourcedId='{section}'") == there
    ends = {one["end_date"] for one in roster.records(console.store, "term")}
    following = (datetime.fromisoformat(min(ends)) + timedelta(days=1)).date().isoformat()
    assert product.ids("/academicSessions", filter=f"endDate='{following}'") == {
        one["id"] for one in roster.records(console.store, "term") if one["end_date"] == min(ends)
    }
    count = product.get("/users", filter=f"familyName='{name}'", limit="1").headers["X-Total-Count"]
    assert count == str(len(ids(lambda one: one["family_name"] == name)))


def test_who_is_gone_is_told_to_those_who_ask_for_it_and_to_nobody_else(console: Served, product: Product) -> None:
    gone = {one["id"] for one in roster.records(console.store, "user", status="inactive")}
    active = {one["id"] for one in roster.records(console.store, "user")}
    assert gone
    assert product.ids("/users") == active == product.ids("/users", filter="status='active'")
    assert product.ids("/users", filter="status='tobedeleted'") == gone
    assert product.ids("/users", filter="dateLastModified>'2000-01-01T00:00:00.000Z'") == gone | active
    told = product.get(f"/users/{min(gone)}").json()["user"]
    assert (told["status"], told["enabledUser"]) == ("tobedeleted", "false")
    assert not {"email", "userIds", "identifier", "phone", "grades", "agents", "metadata"} & told.keys()
    left = next(one for one in roster.records(console.store, "user", status="inactive") if one["email"])
    assert left["id"] not in product.ids("/users", filter=f"status='tobedeleted' AND email='{left['email']}'"), "nor by asking for it"
    assert left["id"] in product.ids("/users", filter=f"status='tobedeleted' AND familyName='{left['family_name']}'")
    personal = product.list("/demographics", filter="status='tobedeleted'")
    assert personal and all(one.keys() == {"sourcedId", "status", "dateLastModified"} for one in personal)


def test_who_goes_on_from_the_newest_date_gets_what_came_after_it(console: Served, product: Product) -> None:
    since = "dateLastModified>='2000-01-01T00:00:00.000Z'"
    dates = {one["sourcedId"]: one["dateLastModified"] for one in product.list("/users", filter=since)}
    assert len(set(dates.values())) > 1 and all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", one) for one in dates.values())
    first, last = min(dates.values()), max(dates.values())
    of_last = {name for name, at in dates.items() if at == last}
    assert product.ids("/users", filter=f"dateLastModified>'{first}'") == {name for name, at in dates.items() if at > first}
    assert product.ids("/users", filter=f"dateLastModified>'{last}'") == set()
    assert (
        product.ids("/users", filter=f"dateLastModified>='{last}'") == of_last == product.ids("/users", filter=f"dateLastModified='{last}'")
    )
    assert product.ids("/users", filter=f"dateLastModified<'{last}'") == dates.keys() - of_last
    zoned = datetime.fromisoformat(last).astimezone(UTC).isoformat(timespec="milliseconds")
    assert product.ids("/users", filter=f"dateLastModified>='{zoned}'") == of_last, "a zone's plus"
    assert product.ids("/users", filter=f"dateLastModified>='{zoned.replace('+', ' ')}'") == of_last, "and one that came as a blank"


def test_fields_are_those_that_were_chosen(console: Served, product: Product) -> None:
    for record in product.list("/users", fields="sourcedId,familyName, email"):
        assert {"sourcedId", "familyName"} <= record.keys() <= {"sourcedId", "familyName", "email"}
    user = product.list("/users")[0]["sourcedId"]
    assert product.get(f"/users/{user}", fields="status").json() == {"user": {"status": "active"}}
    answer = product.get("/users", fields="sourcedId,birthDate")
    assert answer.status_code == 400 and "invalid_selection_field" in answer.text


def test_1_1_and_1_2_say_the_same_of_users_in_their_own_way(console: Served, product: Product) -> None:
    new, old = ({one["sourcedId"]: one for one in product.list("/users", version=version)} for version in ("1.2", "1.1"))
    assert new.keys() == old.keys()
    for name, one in new.items():
        assert "role" not in one and "orgs" not in one and one["enabledUser"] in ("true", "false")
        assert all({"roleType", "role"} <= role.keys() for role in one["roles"])
        assert "roles" not in old[name] and isinstance(old[name]["enabledUser"], bool) and "username" in old[name]
        orgs = {role["org"]["sourcedId"] for role in one["roles"] if "org" in role}
        assert {org["sourcedId"] for org in old[name]["orgs"]} <= orgs
    href = new[min(new)]["roles"][0]["org"]["href"]
    assert href.startswith(f"{console.url}{BASES['1.2']}/orgs/") and product.get(href).status_code == 200
    assert {one["role"] for one in product.list("/students", version="1.1")} == {"student"}


def test_a_token_opens_what_it_was_granted_for_and_nothing_else(console: Served) -> None:
    product = Product(console)
    core, whole, personal = (PREFIX + name for name in clients.SCOPES)
    assert product.ask_token().json()["scope"].split() == [core, whole, personal]
    answer = product.ask_token(core).json()
    assert (answer["scope"], answer["token_type"], answer["expires_in"]) == (core, "Bearer", 3600)
    school = next(one["id"] for one in roster.records(console.store, "org") if one["type"] == "school")
    opened = {
        name: [
            product.get(path, token=product.token(scope)).status_code for path in ("/users", f"/schools/{school}/classes", "/demographics")
        ]
        for name, scope in (("core", core), ("whole", whole), ("personal", personal))
    }
    assert opened == {"core": [200, 403, 403], "whole": [200, 200, 403], "personal": [403, 403, 200]}
    refused = product.get("/demographics", token=product.token(core))
    assert "forbidden" in refused.text and "imsx_CodeMinor" in refused.json()
    for written in (core.replace("https", "http"), core.replace("v1p2", "v1p1"), "roster-core.readonly"):
        assert product.ask_token(written, "something.else").json()["scope"] == written
    assert product.ask_token("something.else").json()["error"] == "invalid_scope"
    plain = Product(console, demographics=False)
    assert plain.ask_token(personal).json()["error"] == "invalid_scope"
    assert plain.get("/demographics").status_code == 403
    assert not {"birthDate", "sex"} & set().union(*(one.keys() for one in plain.list("/users")))
    assert plain.get("/users", filter="birthDate>'2000-01-01'").status_code == 400


def test_id_and_secret_are_taken_from_the_header_or_the_form_and_never_from_the_address(console: Served) -> None:
    product = Product(console)
    url, grant = f"{console.url}/oauth/token", {"grant_type": "client_credentials"}
    in_form = {"client_id": product.client.id, "client_secret": product.secret}
    assert requests.post(url, data=grant | in_form).status_code == 200
    assert requests.post(url, params=grant, auth=(product.client.id, product.secret)).status_code == 200
    refused = requests.post(url, params=grant | in_form)
    assert (refused.status_code, refused.json()["error"], refused.headers["WWW-Authenticate"]) == (
        401,
        "invalid_client",
        'Basic realm="syncd"',
    )
    assert product.ask_token(grant_type="password").json()["error"] == "unsupported_grant_type"
    assert requests.post(url, data={}, auth=("a", "b")).json()["error"] == "invalid_request"
    assert requests.get(url).status_code == 405
    assert requests.post(url, data=b"grant_type=%ff", auth=("a", "b")).status_code == 400


def test_a_client_for_one_school_sees_what_is_there_and_nothing_else(console: Served, product: Product) -> None:
    schools = [one["id"] for one in roster.records(console.store, "org") if one["type"] == "school"]
    assert len(schools) == 3
    for mine in ({schools[0]}, {schools[1], schools[2]}):
        limited = Product(console, schools=mine)
        right = at_schools(console, mine)
        for name, ids in right.items():
            assert limited.ids(f"/{name}") == ids, name
            everybody = product.ids(f"/{name}")
            assert ids and (name == "academicSessions" or ids < everybody), name
            for other in sorted(everybody - ids)[:5]:
                assert limited.get(f"/{name}/{other}").status_code == 404, name
            total = limited.get(f"/{name}", limit="1").headers["X-Total-Count"]
            assert total == str(len(ids))
        assert limited.ids("/demographics") == product.ids("/demographics") & right["users"]
        assert limited.ids("/schools") == mine
        theirs = next(one for one in schools if one not in mine)
        for path in (f"/schools/{theirs}/classes", f"/schools/{theirs}/students", f"/schools/{theirs}"):
            assert limited.get(path).status_code == 404
        for version in BASES:
            records = limited.list("/users", version=version)
            text = json.dumps(records)
            assert all(f'"{one}"' not in text for one in schools if one not in mine), "not even the name of another school"
        with_gone = limited.ids("/users", filter="dateLastModified>'2000-01-01T00:00:00.000Z'")
        gone = {one["id"]: one for one in roster.records(console.store, "user", status="inactive")}
        assert with_gone - right["users"] <= {name for name, one in gone.items() if any(role["org_id"] in mine for role in one["roles"])}


def test_nothing_else_opens_it_and_it_opens_nothing_else(console: Served, product: Product) -> None:
    address = f"{console.url}{BASES['1.2']}/users"
    signed_in = console.browse("ada")
    assert signed_in.get(address).status_code == 401
    for header in ("", "Bearer", "Bearer x", f"Bearer {console.token('admin')}", f"Basic {product.token()}", f"Bearer {product.secret}"):
        assert requests.get(address, headers={"Authorization": header}).status_code == 401, header.split()[:1]
    theirs = {"Authorization": f"Bearer {product.token()}"}
    for path in ("/api/sources", "/api/roster/users", "/metrics", "/roster"):
        assert requests.get(console.url + path, headers=theirs).status_code == 401, path
    assert requests.get(address, headers=theirs | {"Host": "evil.example"}).status_code == 421
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert requests.request(method, address, headers=theirs).status_code == 405


def test_who_is_revoked_or_over_reads_nothing_more(console: Served) -> None:
    product = Product(console)
    token = product.token()
    assert product.get("/orgs", token=token).status_code == 200
    console.command("account", "client", "revoke", product.client.id)
    answer = product.get("/orgs", token=token)
    assert (answer.status_code, answer.headers["WWW-Authenticate"], "unauthorisedrequest" in answer.text) == (401, "Bearer", True)
    assert product.ask_token().status_code == 401

    product = Product(console)
    token = product.token()
    past = datetime.now(UTC) - timedelta(seconds=1)
    with console.store.write() as connection:
        connection.execute(update(tables.grants).where(tables.grants.c.client == product.client.id).values(expires_at=past))
    assert product.get("/orgs", token=token).status_code == 401, "the token is over"
    token = product.token()
    assert product.get("/orgs", token=token).status_code == 200
    with console.store.write() as connection:
        connection.execute(update(tables.clients).where(tables.clients.c.id == product.client.id).values(expires_at=past))
    assert product.get("/orgs", token=token).status_code == 401, "the client is over"
    assert product.ask_token().status_code == 401
    with console.store.read() as connection:
        kept = repr([connection.execute(select(table)).all() for table in (tables.clients, tables.grants)])
    assert product.secret not in kept and token not in kept


@pytest.mark.parametrize("version", list(BASES))
def test_what_can_not_be_read_is_refused_in_the_words_of_the_version(version: str, product: Product) -> None:
    wrong = {
        "limit=0": "limit", "limit=x": "limit", "limit=": "limit", "limit=-1": "limit", "limit=1&limit=2": "limit", "limit=٣": "limit",
        "offset=-1": "offset", "offset=1.5": "offset", "sort=": "sort", "sort=password": "sort", "sort=metadata.x": "sort",
        "orderBy=up": "sort", "filter=": "filter", "filter=status=active": "filter", "filter=status='active": "filter",
        "filter=status = 'active'": "filter", "filter=status='a' AND status='b' AND status='c'": "filter", "filter=nothing='a'": "filter",
        "filter=dateLastModified>'yesterday'": "filter", "filter=dateLastModified~'2026'": "filter", "filter=roles='student'": "filter",
        "filter=status='a' XOR status='b'": "filter", "filter=source='springfield'": "filter", "fields=": "selection",
        "fields=nothing": "selection",
        "filter=dateLastModified>'9999-12-31T23:59:59.999999Z'": "filter",
    }  # fmt: skip
    for query, what in wrong.items():
        answer = product.get(f"{product.console.url}{BASES[version]}/users?{query}")
        assert answer.status_code == 400, query
        body = answer.json()
        told = body["statusInfoSet"][0]["imsx_codeMinor"] if version == "1.1" else (
            body["imsx_CodeMinor"]["imsx_codeMinorField"][0]["imsx_codeMinorFieldValue"]
        )  # fmt: skip
        in_12 = "invalid_filter_field" if what == "filter" else "invalid_selection_field"
        in_11 = "invalid_blank_selection_field" if query == "fields=" else f"invalid_{what}_field"
        assert told == (in_11 if version == "1.1" else in_12), query
    for query in ("limit=99999999999999999999", "offset=99999999999999999999", "anything=else", "limit=20000"):
        assert product.get(f"{product.console.url}{BASES[version]}/users?{query}").status_code == 200, query


def test_what_stands_in_a_filter_is_text(console: Served, product: Product) -> None:
    before = product.ids("/users")
    for value in (
        "' OR '1'='1",
        "'; DROP TABLE users; --",
        "' UNION SELECT digest FROM clients --",
        "%",
        "_%",
        "\\",
        "*",
        "x' OR source!='",
    ):
        quoted = value.replace("'", "''")
        for operator in ("=", "~", ">"):
            answer = product.get("/users", filter=f"familyName{operator}'{quoted}'")
            assert answer.status_code == 200
            found = {one["sourcedId"] for one in answer.json()["users"]}
            assert operator == ">" or not found
        assert product.get("/users", filter=f"familyName='{value}'").status_code in (200, 400)
        assert product.get("/users", sort=f"familyName {value}").status_code == 400
        assert product.get(f"/users/{requests.utils.quote(value, safe='')}").status_code == 404
    name = next(one["id"] for one in roster.records(console.store, "user"))
    with console.store.write() as connection:
        users = tables.ROSTER["user"]
        connection.execute(update(users).where(users.c.id == name).values(family_name="O'Brien_%"))
    assert product.ids("/users", filter="familyName='O''Brien_%'") == {name} == product.ids("/users", filter="familyName~'N_%'")
    assert product.ids("/users") == before


ODD = st.one_of(st.text(max_size=40), st.sampled_from(["'", "\0", "\ud800", "%00", "9" * 40, "é", "𝒳", "\r\nX: y", "a" * 5000]))


FIELDS = st.sampled_from(["status", "dateLastModified", "familyName", "sourcedId", "endDate", "sex", "enabledUser", "primary", "type", "x"])


CLAUSES = st.builds("{}{}'{}'".format, FIELDS, st.sampled_from(["=", "!=", ">", ">=", "<", "<=", "~"]), ODD)


PARAMETERS = st.fixed_dictionaries(
    {},
    optional={
        "limit": ODD, "offset": ODD, "orderBy": st.one_of(ODD, st.just("desc")), "sort": st.one_of(ODD, FIELDS), "fields": ODD,
        "filter": st.one_of(ODD, CLAUSES, st.builds("{} {} {}".format, CLAUSES, st.sampled_from(["AND", "OR", "and"]), CLAUSES)),
    },
)  # fmt: skip


@given(
    name=st.sampled_from(LISTS),
    version=st.sampled_from(sorted(BASES)),
    parameters=PARAMETERS,
    record=st.one_of(st.none(), ODD),
)
@example(name="users", version="1.2", parameters={"filter": "familyName='\0'"}, record=None)
@example(name="users", version="1.2", parameters={"sort": "dateLastModified"}, record=None)
@example(name="users", version="1.1", parameters={}, record="\0")
@example(name="enrollments", version="1.2", parameters={"filter": "endDate<'0001-01-01'"}, record=None)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
def test_whatever_is_asked_is_no_fault(product: Product, name: str, version: str, parameters: dict[str, str], record: str | None) -> None:
    def encoded(text: str) -> str:
        return requests.utils.quote(text.encode("utf-8", "surrogatepass"), safe="")

    path = f"/{name}" if record is None else f"/{name}/{encoded(record)}"
    query = "&".join(f"{key}={encoded(value)}" for key, value in parameters.items())
    answer = product.get(f"{product.console.url}{BASES[version]}{path}?{query}")
    assert answer.status_code in (200, 400, 404), answer.status_code
    assert answer.headers["Content-Type"].startswith("application/json") and answer.json()


@given(
    body=st.one_of(st.binary(max_size=200), PARAMETERS.map(str).map(str.encode)),
    header=st.one_of(st.none(), st.text("abcYWI6=+/ \x7f", max_size=60)),
)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
def test_whatever_asks_for_a_token_is_no_fault(product: Product, body: bytes, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": f"Basic {header}".strip()}
    answer = requests.post(f"{product.console.url}/oauth/token", data=b"grant_type=client_credentials&" + body, headers=headers, timeout=30)
    assert answer.status_code in (400, 401, 429) and answer.json()["error"]
    with product.console.store.write() as connection:
        connection.execute(delete(tables.tries))
