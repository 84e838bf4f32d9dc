"""Who may do what, and what other sites can not do in somebody's name."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from fastapi.routing import APIRoute
from playwright.sync_api import expect
from sqlalchemy import update

from syncd.console.app import API, PAGES, PROVIDER
from syncd.console.oneroster.routes import BASES, PATHS
from syncd.store import roster, runs
from syncd.store.tables import sessions
from tests.console.axe import violations
from tests.console.conftest import Visitor
from tests.console.console import PASSWORDS, Served, served, until

SCRIPT = '<script>window.caught = 1</script><img src=x onerror="window.caught = 1">'
ACTING = [
    "/sources/springfield/sync", "/sources/springfield/pause", "/sources/springfield/resume", "/sources/springfield/check",
    "/sources/springfield/on", "/sources/springfield/off", "/sources/springfield/remove", "/sources/springfield/edit", "/sources/new",
    "/runs/1/approve", "/runs/1/reject", "/runs/1/undo", "/links", "/signout",
]  # fmt: skip
# For everybody: a monitor has no account, and nobody has before the sign-in.
OPEN = {"/healthz", "/readyz", "/signin", "/signin/oidc", "/signin/oidc/back"}
# What takes more than a viewer, and what takes more than an operator.
OPERATORS = {
    "GET /import", "POST /import", "GET /import/{key}", "POST /import/{key}", "POST /import/{key}/apply", "GET /import/{key}/errors.csv",
    "GET /people/new", "POST /people/new", "GET /people/edit", "POST /people/edit", "POST /people/deactivate",
    *(f"{method} /sections/{act}" for method in ("GET", "POST") for act in ("new", "edit")), "POST /sections/deactivate",
    "POST /api/password",
    "GET /roster", "GET /roster.{format}", "GET /record", "GET /api/roster/{kind}", "GET /api/record",
    *(f"POST {before}/sources/{{source}}/{act}" for before in ("", "/api") for act in ("sync", "pause", "resume")),
}  # fmt: skip
ADMINS = {
    "GET /audit", "GET /audit.{format}", "POST /links", "GET /api/orders/{order}/preview",
    *(f"{method} {path}" for method in ("GET", "POST") for path in ("/sources/new", "/sources/{source}/edit")),
    *(f"POST /sources/{{source}}/{act}" for act in ("on", "off", "remove")),
    *(f"POST {before}/sources/{{source}}/check" for before in ("", "/api")),
    *(f"POST {before}/runs/{{run}}/{act}" for before in ("", "/api") for act in ("approve", "reject", "undo")),
}  # fmt: skip


# Lists of several sources, of which each has those that are their business.
LISTS = ("/roster.{format}", "/runs.{format}", "/logs.{format}", "/audit.{format}")
ROUTES = [
    (method, route.path) for part in (*API, *PAGES) for route in part.routes if isinstance(route, APIRoute) for method in route.methods
]


# What is for products alone, and then only where `[console] oneroster` says so.
PRODUCTS = {"POST /oauth/token", *(f"GET {base}/{{path:path}}" for base in BASES.values())}


def filled(path: str) -> str:
    for name, value in (("source", "springfield"), ("run", "1"), ("order", "1"), ("kind", "users"), ("format", "csv")):
        path = path.replace(f"{{{name}}}", value)
    return path


def sign_ins_were_long_ago(console: Served) -> None:
    with console.store.write() as connection:
        connection.execute(update(sessions).values(created_at=datetime.now(UTC) - timedelta(minutes=30)))


def test_nothing_but_the_sign_in_is_open_to_strangers(console: Served) -> None:
    assert len(ROUTES) > 40
    stranger = requests.Session()
    for method, path in ROUTES:
        answer = stranger.request(method, console.url + filled(path), allow_redirects=False, json={} if path.startswith("/api") else None)
        if path in OPEN:
            assert answer.status_code not in (401, 403) or "Begin it again" in answer.text, path
        else:
            assert answer.status_code == 401, f"{method} {path}: {answer.status_code}"


def test_what_is_for_products_is_open_to_nobody_else(tmp_path: Path) -> None:
    routes = [route for part in PROVIDER for route in part.routes if isinstance(route, APIRoute)]
    assert {f"{method} {route.path}" for route in routes for method in route.methods} == PRODUCTS
    assert len(PATHS) == 41
    with served(tmp_path, console="oneroster = true", synced=True) as console:
        users, school = console.people(), next(one["id"] for one in roster.records(console.store, "org") if one["type"] == "school")
        signed_in = console.browse("ada")
        tokens = [{"Authorization": f"Bearer {console.token(role)}"} for role in ("viewer", "operator", "admin")]
        for path in PATHS:
            path = path.replace("{class}", "1").replace("{id}", school if "/schools/" in path else min(users))
            for base in BASES.values():
                asked = [requests.get(console.url + base + path, headers=headers) for headers in ({}, *tokens)]
                asked.append(signed_in.get(console.url + base + path, allow_redirects=False))
                assert {answer.status_code for answer in asked} == {401}, path
                assert not any(school in answer.text for answer in asked)
        form = {"grant_type": "client_credentials"}
        for headers in ({}, *tokens):
            assert requests.post(f"{console.url}/oauth/token", data=form, headers=headers).status_code in (401, 429)
        assert signed_in.send_form("/oauth/token", **form).status_code in (401, 429)
        document = requests.get(f"{console.url}/api/openapi.json", headers=tokens[0]).json()
        assert not [path for path in document["paths"] if path.startswith(("/ims", "/oauth"))], "the console's API is another one"


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_a_role_may_do_no_more_than_it_is_told_to(role: str, console: Served) -> None:
    headers = {"Authorization": f"Bearer {console.token(role)}"}
    refused = set()
    for method, path in ROUTES:
        if path != "/api/events":
            answer = requests.request(method, console.url + filled(path), headers=headers, allow_redirects=False, json={}, timeout=30)
            refused |= {f"{method} {path}"} if answer.status_code == 403 else set()
    assert refused == ADMINS | (OPERATORS if role == "viewer" else set())


@pytest.mark.fault("S13")
def test_a_token_for_one_source_gets_at_nothing_of_another_by_any_address(console: Served) -> None:
    headers = {"Authorization": f"Bearer {console.token('admin', 'ogdenville')}"}
    there = {"Authorization": f"Bearer {console.token('admin', 'springfield')}"}
    order = requests.post(f"{console.url}/api/sources/springfield/sync", headers=there, json={}).json()["order"]
    ask = {"kind": "users", "source": "springfield", "id": "1"}
    for method, path in ROUTES:
        if "{" in path and "{kind}" not in path and path not in LISTS:
            address = console.url + filled(path).replace("/orders/1", f"/orders/{order}")
            answer = requests.request(method, address, headers=headers, json={}, params=ask, allow_redirects=False, timeout=30)
            assert answer.status_code in (403, 404, 422), f"{method} {path}: {answer.status_code}"
    pages = ("/", "/runs", "/logs", "/quality", "/roster", "/audit")
    programs = ("/api/log", "/api/runs", "/api/sources", "/api/roster/users", "/api/links")
    for path in (*pages, *programs, *(path.replace("{format}", "csv") for path in LISTS)):
        assert "springfield" not in requests.get(console.url + path, headers=headers | {"Accept": "text/html"}).text, path


@pytest.mark.fault("S13")
def test_a_token_for_one_source_tells_nothing_of_another(console: Served) -> None:
    headers = {"Authorization": f"Bearer {console.token('admin', 'springfield')}"}
    assert [one["source"] for one in requests.get(f"{console.url}/api/sources", headers=headers).json()["sources"]] == ["springfield"]
    for path in ("/api/sources/shelbyville", "/api/sources/shelbyville/quality", "/api/record?kind=users&source=shelbyville&id=1"):
        assert requests.get(console.url + path, headers=headers).status_code == 403
    assert requests.post(f"{console.url}/api/sources/shelbyville/sync", headers=headers, json={}).status_code == 403


@pytest.mark.fault("S3")
def test_what_a_browser_calls_foreign_is_refused_whatever_it_knows(console: Served) -> None:
    browsing = console.browse("ada")
    word = browsing.csrf
    for told in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
        answer = browsing.post(f"{console.url}/sources/springfield/pause", data={"csrf": word}, headers=told, allow_redirects=False)
        assert (answer.status_code, "another site" in answer.text) == (403, True), told
        signing_in = {"name": "vera", "password": PASSWORDS["vera"]}
        assert requests.post(f"{console.url}/signin", data=signing_in, headers=told, allow_redirects=False).status_code == 403
    for own in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": console.url}):
        answer = browsing.post(f"{console.url}/sources/springfield/resume", data={"csrf": word}, headers=own, allow_redirects=False)
        assert answer.status_code == 303


@pytest.mark.fault("S3")
@pytest.mark.parametrize("path", ACTING)
def test_no_other_site_can_act_in_somebodys_name(path: str, console: Served) -> None:
    browsing = console.browse("ada")
    for fields in ({}, {"csrf": ""}, {"csrf": "0" * 48}, {"csrf": console.browse("otto").csrf}):
        assert browsing.send_form(path, **fields).status_code == 403
    assert browsing.at("/").status_code == 200, "still signed in"


def test_the_cookie_is_for_the_browser_alone(console: Served) -> None:
    answer = console.browse().send_form("/signin", name="ada", password=PASSWORDS["ada"])
    cookie = answer.headers["Set-Cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie and "path=/" in cookie
    assert PASSWORDS["ada"] not in answer.text


def test_a_wrong_password_is_refused_and_too_many_have_to_wait(tmp_path: Path) -> None:
    with served(tmp_path, sources="") as console:
        answers = [console.browse().send_form("/signin", name="otto", password="a wrong long password") for _ in range(7)]
        assert {answer.status_code for answer in answers} == {401}
        assert "Try again in" in answers[-1].text and "Try again in" not in answers[0].text
        assert "wrong long password" not in console.log


def test_nobody_is_led_to_another_site_after_signing_in(console: Served) -> None:
    for elsewhere in ("https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"):
        answer = console.browse().send_form("/signin", name="vera", password=PASSWORDS["vera"], next=elsewhere)
        assert answer.headers["Location"] == "/"


@pytest.mark.fault("S4")
def test_a_foreign_name_that_points_here_is_refused(console: Served) -> None:
    for host in ("evil.example", "springfield.evil.example:80", "", "127.0.0.1.evil.example"):
        assert requests.get(f"{console.url}/healthz", headers={"Host": host}).status_code in (400, 421)
    port = console.url.rsplit(":", 1)[1]
    assert requests.get(f"{console.url}/healthz", headers={"Host": f"localhost:{port}"}).status_code == 200


def test_no_page_can_be_framed_and_no_answer_is_kept(console: Served, visit: Callable[..., Visitor], tmp_path: Path) -> None:
    answer = console.browse("ada").at("/")
    policy = answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy and "'unsafe" not in policy and answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Cache-Control"] == "no-store"
    assert not re.search(r"<script(?![^>]* src=)|<style|\son\w+=|style=", answer.text), "nothing inline"
    page = visit(console, "ada").page
    framed = page.evaluate(
        """async (url) => { const f = document.createElement('iframe'); f.src = url; document.body.append(f);
        await new Promise(r => setTimeout(r, 1500)); try { return f.contentDocument.body.innerText } catch { return 'refused' } }""",
        console.url + "/runs",
    )
    assert "Every sync" not in framed


@pytest.mark.fault("S2")
def test_what_a_source_sends_never_acts_in_a_page(visit: Callable[..., Visitor], tmp_path: Path) -> None:
    with served(tmp_path, students=30) as console:
        people = console.sandbox.expected("oneroster-1.2", "users")
        user = next(one for one in people if any(role["role"] == "student" for role in one["roles"]))
        school = console.sandbox.expected("oneroster-1.2", "orgs")[-1]
        console.sandbox.put("orgs", id=school["id"], name=f"School {SCRIPT}")
        console.sandbox.put("users", id=user["id"], given_name=SCRIPT, family_name=f"'\"{SCRIPT}", email=f"{SCRIPT}@x.example")
        console.sync_by_hand("--full")
        [student] = roster.records(console.store, "user", search="onerror")
        visitor = visit(console, "ada")
        page = visitor.page
        number = runs.recent(console.store, limit=1)[0].run
        for path in (
            "/", "/roster?kind=users&q=onerror", "/roster?kind=orgs", f"/record?kind=users&source=springfield&id={student['id']}",
            f"/runs/{number}", "/logs", "/quality?source=springfield", f"/roster?q={SCRIPT}", f"/runs/1?search={SCRIPT}&field={SCRIPT}",
            f"/signin?next={SCRIPT}", f"/record?kind=users&source=springfield&id={SCRIPT}", f"/sources/new?connector={SCRIPT}",
        ):  # fmt: skip
            page.goto(console.url + path)
            assert page.evaluate("() => window.caught") is None, path
        page.goto(console.url + "/roster?kind=users&q=onerror")
        assert "<script>window.caught" in page.inner_text("main"), "shown as it came, as text"


def test_without_an_account_nothing_can_be_done_and_no_name_is_seen(tmp_path: Path, visit: Callable[..., Visitor]) -> None:
    with served(tmp_path, accounts=False, synced=True) as console:
        page = visit(console).at("/")
        assert "syncd account add" in page.inner_text("main")
        assert page.get_by_role("button", name="Sync now").count() == 0
        assert requests.post(f"{console.url}/api/sources/springfield/sync", json={}).status_code == 403
        assert requests.get(f"{console.url}/api/roster/users").status_code == 403
        console.add_accounts()
        assert requests.get(f"{console.url}/api/sources").status_code == 401, "from the first account on, whoever asks has to sign in"


@pytest.mark.fault("S18")
def test_who_is_signed_in_for_long_gives_the_password_once_more_for_what_is_grave(tmp_path: Path, visit: Callable[..., Visitor]) -> None:
    with served(tmp_path, synced=True) as console:
        people = console.people()
        page = visit(console, "ada").at("/runs/1")
        sign_ins_were_long_ago(console)
        page.get_by_text("Undo this run").click()
        page.get_by_role("button", name="Undo run 1", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Is it you?")
        assert violations(page) == []
        page.get_by_label("Password").fill("not the admin's word")
        page.get_by_role("button", name="Go on").click()
        expect(page.get_by_role("alert")).to_contain_text("The password is wrong")
        assert console.people() == people, "nothing was done"

        stolen = console.browse("ada")
        word = stolen.csrf
        sign_ins_were_long_ago(console)
        for path in ("/runs/1/undo", "/sources/springfield/remove"):
            assert stolen.send_form(path, csrf=word).status_code == 403
        asked = {"X-CSRF-Token": word, "Accept": "application/json"}
        answer = stolen.post(f"{console.url}/api/runs/1/undo", json={}, headers=asked)
        assert (answer.status_code, "password" in answer.json()["advice"]) == (403, True)
        assert stolen.send_form("/runs/1/undo", csrf=word, dry_run="1").status_code == 303, "a preview changes nothing"
        assert console.people() == people

        page.get_by_label("Password").fill(PASSWORDS["ada"])
        page.get_by_role("button", name="Go on").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Run", timeout=30_000)
        until(lambda: not console.people(), lambda: console.log)
        assert '"action":"undo"' in console.command("audit", "--json")


@pytest.mark.fault("S15")
def test_a_request_that_is_too_large_is_refused_whatever_it_says_of_its_length(console: Served) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * 100_000

    answer = requests.post(f"{console.url}/signin", data=b"x" * 2_000_000)
    assert answer.status_code == 413
    try:
        refused = requests.post(f"{console.url}/api/sources/springfield/sync", data=endless()).status_code == 413
    except requests.ConnectionError:
        # It closes while we are still sending.
        refused = True
    assert refused
    assert requests.get(f"{console.url}/healthz").status_code == 200
