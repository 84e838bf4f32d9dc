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
