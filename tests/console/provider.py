"""Products that read from a console as from a OneRoster provider."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from connectors.oneroster import OneRosterConnector
from connectors.oneroster.settings import OneRosterSettings
from syncd.account import here
from syncd.contract.connector import Context
from syncd.report import RunReport
from syncd.roster.kinds import PLURALS, SINGULAR
from syncd.secret import Secret
from syncd.settings.guard import GuardSettings
from syncd.store import Store, clients, open_store, roster
from syncd.sync.run import Order, run
from tests import stores
from tests.console.console import Served

FREE = GuardSettings(floor=1_000_000)


BASES = {"1.1": "/ims/oneroster/v1p1", "1.2": "/ims/oneroster/rostering/v1p2"}


LISTS = ("orgs", "academicSessions", "courses", "classes", "users", "enrollments", "demographics")


ON = "oneroster = true"


class Product:
    """A client of a console, and who reads with it."""

    def __init__(self, console: Served, *, version: str = "1.2", days: int = 30, **options: Any) -> None:
        now = datetime.now(UTC)
        options = {"source": "springfield", "demographics": True} | options
        self.console, self.version = console, version
        expires_at = now + timedelta(days=days)
        made = clients.add(console.store, "reading-program", expires_at=expires_at, by=here(), now=now, **options)
        self.client, self.secret = made
        self._token = ""

    def ask_token(self, *scopes: str, **form: str) -> requests.Response:
        form = {"grant_type": "client_credentials"} | ({"scope": " ".join(scopes)} if scopes else {}) | form
        return requests.post(f"{self.console.url}/oauth/token", data=form, auth=(self.client.id, self.secret), timeout=30)

    def token(self, *scopes: str) -> str:
        return str(self.ask_token(*scopes).json()["access_token"])

    def get(self, path: str, *, token: str | None = None, version: str | None = None, **params: str) -> requests.Response:
        if token is None:
            token = self._token = self._token or self.token()
        headers = {"Authorization": f"Bearer {token}"}
        address = path if path.startswith("http") else f"{self.console.url}{BASES[version or self.version]}{path}"
        return requests.get(address, params=params, headers=headers, timeout=60)

    def list(self, path: str, *, version: str | None = None, **params: str) -> list[dict[str, Any]]:
        answer = self.get(path, version=version, **{"limit": "10000"} | params)
        assert answer.status_code == 200, answer.text
        [(_, found)] = answer.json().items()
        return list(found)

    def ids(self, path: str, *, version: str | None = None, **params: str) -> set[str]:
        return {one["sourcedId"] for one in self.list(path, version=version, **params)}


class Consumer:
    """A second roster, of what the provider says."""

    def __init__(self, folder: Path, product: Product, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
        folder.mkdir()
        monkeypatch.setenv("PRODUCT_ID", product.client.id)
        monkeypatch.setenv("PRODUCT_SECRET", product.secret)
        url = product.console.url
        self.store: Store = open_store(stores.url(folder))
        self.settings = OneRosterSettings(
            url=url + BASES[product.version],
            token_url=f"{url}/oauth/token",
            client_id=Secret(env="PRODUCT_ID"),
            client_secret=Secret(env="PRODUCT_SECRET"),
            **{"demographics": True, "page_size": 37, "overlap_hours": 0} | settings,
        )

    def sync(self, **options: Any) -> RunReport:
        order = Order("shelbyville", lambda context: OneRosterConnector(self.settings, context), **{"limits": FREE} | options)
        return run(self.store, order, Context("shelbyville"))


def everything(store: Store) -> dict[str, list[dict[str, Any]]]:
    return {plural: list(roster.records(store, SINGULAR[plural], status="all")) for plural in PLURALS}


def paths(console: Served) -> list[str]:
    """Each address that the standard has, with ids of the roster in it: 41."""
    held = {kind: list(roster.records(console.store, SINGULAR[kind])) for kind in PLURALS}
    taught = next(one for one in held["sections"] if one["term_ids"] and one["course_id"])
    terms = {one["id"]: one["type"] for one in held["terms"]}

    def having(role: str) -> str:
        return next(str(one["id"]) for one in held["users"] if any(entry["role"] == role for entry in one["roles"]))

    of_type = {kind: next(name for name, found in terms.items() if found == kind) for kind in ("term", "gradingPeriod")}
    ids = {
        "orgs": held["orgs"][0]["id"], "schools": taught["school_id"], "academicSessions": taught["term_ids"][0], "terms": of_type["term"],
        "gradingPeriods": of_type["gradingPeriod"], "courses": taught["course_id"], "classes": taught["id"],
        "users": held["users"][0]["id"], "students": having("student"), "teachers": having("teacher"),
        "enrollments": held["enrollments"][0]["id"], "demographics": next(one["id"] for one in held["users"] if one["birth_date"]),
    }  # fmt: skip
    nested = {
        "schools": "classes courses enrollments students teachers terms", "classes": "students teachers", "courses": "classes",
        "terms": "classes gradingPeriods", "students": "classes", "teachers": "classes", "users": "classes",
    }  # fmt: skip
    found = [f"/{name}" for name in ids] + [f"/{name}/{one}" for name, one in ids.items()]
    found += [f"/{above}/{ids[above]}/{name}" for above, below in nested.items() for name in below.split()]
    return found + [f"/schools/{taught['school_id']}/classes/{taught['id']}/{name}" for name in ("enrollments", "students", "teachers")]


WRAPPERS = {
    "orgs": ("orgs", "org"), "schools": ("orgs", "org"), "academicSessions": ("academicSessions", "academicSession"),
    "terms": ("academicSessions", "academicSession"), "gradingPeriods": ("academicSessions", "academicSession"),
    "courses": ("courses", "course"), "classes": ("classes", "class"), "users": ("users", "user"), "students": ("users", "user"),
    "teachers": ("users", "user"), "enrollments": ("enrollments", "enrollment"), "demographics": ("demographics", "demographics"),
}  # fmt: skip


def at_schools(console: Served, schools: set[str]) -> dict[str, set[str]]:
    """What of the roster is at these schools, worked out record by record."""
    held = {kind: {one["id"]: one for one in roster.records(console.store, SINGULAR[kind])} for kind in PLURALS}
    sections = {name for name, one in held["sections"].items() if one["school_id"] in schools}
    enrollments = {name for name, one in held["enrollments"].items() if one["section_id"] in sections}
    users = {name for name, one in held["users"].items() if any(role["org_id"] in schools for role in one["roles"])}
    users |= {held["enrollments"][name]["user_id"] for name in enrollments}
    users |= {guardian for name in set(users) for guardian in held["users"][name]["guardian_ids"]} & held["users"].keys()
    courses = {held["sections"][name]["course_id"] for name in sections}
    courses |= {name for name, one in held["courses"].items() if one["org_id"] in schools}
    orgs, above = set(schools), set(schools)
    while above:
        above = {held["orgs"][name]["parent_id"] for name in above if name in held["orgs"]} - {None}
        orgs |= above
    return {
        "orgs": orgs, "courses": courses - {None}, "classes": sections, "users": users, "enrollments": enrollments,
        "academicSessions": set(held["terms"]),
    }  # fmt: skip
