"""A sandbox, a store and a source between them: what the journeys have in common."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.clever import CleverConnector
from connectors.clever.settings import CleverSettings
from connectors.oneroster import OneRosterConnector
from connectors.oneroster.settings import OneRosterSettings
from syncd.contract.connector import Connector, Context
from syncd.contract.document import Page
from syncd.report import RunReport, Trigger
from syncd.roster.kinds import PLURALS, SINGULAR
from syncd.sandbox import Sandbox
from syncd.secret import Secret
from syncd.settings.guard import GuardSettings
from syncd.store import Store, open_store, roster
from syncd.sync.run import Order, run
from syncd.sync.run import reject as drop
from tests import stores

DIALECTS = ("clever-3.0", "clever-3.1", "oneroster-1.1-oauth1", "oneroster-1.1-sha1", "oneroster-1.1-oauth2", "oneroster-1.2-oauth2")


class Synced:
    """One source of one dialect; `name` tells it from others in the same folder's store, `people` whose people it has."""

    def __init__(
        self,
        sandbox: Sandbox,
        folder: Path,
        dialect: str,
        monkeypatch: pytest.MonkeyPatch,
        *,
        name: str = "springfield",
        people: str | None = None,
        **settings: Any,
    ) -> None:
        self.sandbox, self.name, self.people = sandbox, name, people
        self.store: Store = open_store(stores.url(folder))
        self.expected_as = "-".join(dialect.split("-")[:2])
        for name, value in (("T", sandbox.token), ("I", sandbox.client_id), ("S", sandbox.client_secret)):
            monkeypatch.setenv(name, value)
        self.limits = GuardSettings()
        self.connect = _connect(sandbox, dialect, settings)

    def sync(self, stop: threading.Event | None = None, **options: Any) -> RunReport:
        options.setdefault("limits", self.limits)
        order = Order(self.name, self.connect, people=self.people, **options)
        return run(self.store, order, Context(self.name, stop=stop or threading.Event()))

    def approve(self, number: int, **options: Any) -> RunReport:
        return self.sync(approves=number, trigger=Trigger.APPROVE, **options)

    def undo(self, number: int, **options: Any) -> RunReport:
        return self.sync(undoes=number, trigger=Trigger.UNDO, **options)

    def reject(self, number: int) -> None:
        drop(self.store, self.name, number)

    def when(self, resource: str, happens: Callable[[], object], documents: int = 1) -> None:
        """In the next pulls, let something happen at the source once: when so many documents of a list have come, and no later page."""
        connect = self.connect
        done: list[bool] = []

        def interrupted(context: Context) -> Connector:
            connector = connect(context)
            if isinstance(connector.settings, OneRosterSettings):
                connector.settings = connector.settings.model_copy(update={"requests_at_once": 1})
            pull = connector.pull

            def pages() -> Iterator[Any]:
                came = 0
                for item in pull():
                    if isinstance(item, Page) and item.resource == resource:
                        came += item.count
                        if came >= documents and not done:
                            done.append(True)
                            happens()
                    yield item

            connector.pull = pages  # type: ignore[method-assign]
            return connector

        self.connect = interrupted

    def everything(self) -> dict[str, list[dict[str, Any]]]:
        """All that the roster holds."""
        return {plural: list(roster.records(self.store, SINGULAR[plural], self.name, status="all")) for plural in PLURALS}

    def differences(self) -> list[str]:
        """Where the store differs from what the sandbox says a correct sync must hold: kinds, ids and field names."""
        found = []
        for plural in PLURALS:
            held = {record["id"]: record for record in roster.records(self.store, SINGULAR[plural], self.name)}
            right = {record["id"]: record for record in self.sandbox.expected(self.expected_as, plural, demographics=True)}
            found += [f"{plural} {record_id} only on one side" for record_id in held.keys() ^ right.keys()]
            for record_id in held.keys() & right.keys():
                fields = [name for name, value in right[record_id].items() if held[record_id][name] != value]
                if fields:
                    found.append(f"{plural} {record_id}: {', '.join(fields)}")
        return found


def _connect(sandbox: Sandbox, dialect: str, settings: dict[str, Any]) -> Callable[[Context], Connector]:
    if dialect.startswith("clever"):
        clever = CleverSettings(
            url=sandbox.clever_url, version=dialect.removeprefix("clever-"), token=Secret(env="T"), demographics=True, **settings
        )
        return lambda context: CleverConnector(clever, context)
    _, version, auth = dialect.split("-")
    signing = {"sha1": {"auth": "oauth1", "signature": "HMAC-SHA1"}, "oauth1": {"auth": "oauth1"}}.get(
        auth, {"token_url": sandbox.token_url}
    )
    oneroster = OneRosterSettings(
        url=sandbox.oneroster_11_url if version == "1.1" else sandbox.oneroster_12_url,
        version=version,
        client_id=Secret(env="I"),
        client_secret=Secret(env="S"),
        demographics=True,
        **signing,
        **settings,
    )
    return lambda context: OneRosterConnector(oneroster, context)
