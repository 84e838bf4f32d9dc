"""Sources that are set up in the console. They lie in the store, so that one machine and many have them alike; their secrets are sealed
(`vault.py`). The file's sources are the administrator's: a name that stands there wins, and the console can not change it.

A mistake in the file stops everything, since the administrator stands before it. One in here leaves out the one source, says so, and lets
the others go on.
"""

from collections.abc import Callable, Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import ValidationError

from syncd.contract import discovery
from syncd.contract.connector import Connector
from syncd.errors import ConfigError, StoreError
from syncd.secret import NO_PLACES, Secret, remember
from syncd.settings import form
from syncd.settings import source as sources
from syncd.settings.file import Settings, is_name
from syncd.settings.mistakes import Mistake, mistakes
from syncd.settings.source import Source
from syncd.settings.vault import CanNotOpen, Vault, vault
from syncd.store import Store, configured

ANEW = "goes to another address than before: enter it anew, so that nobody can have it sent to an address of their own"
SHUT = "can not be opened with the key that is there: enter it again"


@dataclass(frozen=True, slots=True)
class Kept:
    """A source as it is kept. settings: as they would stand in the file, without secrets; secrets: the names of those that it has. version:
    of its last change, which a form hands back as `seen`."""

    source: str
    settings: dict[str, Any]
    secrets: tuple[str, ...]
    changed_at: datetime
    changed_by: str
    version: int


@dataclass(frozen=True, slots=True)
class _Draft:
    """What was entered: the source that it makes, or what is wrong with it. kept: the secrets that stay, sealed; pasted: the new ones."""

    source: Source | None
    problems: list[Mistake]
    kept: dict[str, str] = field(default_factory=dict, repr=False)
    pasted: dict[str, str] = field(default_factory=dict, repr=False)


def version(store: Store) -> int:
    """Of what the store has: another one than `Settings.version` says that there is something new."""
    return configured.version(store)


def listed(store: Store) -> list[Kept]:
    """The sources that are kept, by name, those among them whose name stands in the file, too."""
    return [
        Kept(row.source, row.settings, tuple(sorted(row.sealed)), row.changed_at, row.changed_by, row.version)
        for row in configured.rows(store)
        if row.settings is not None
    ]


def origin(settings: Settings, name: str) -> Literal["file", "console"]:
    """Where a source is set up."""
    return "console" if name in settings.kept or name in settings.broken else "file"


def complete(settings: Settings, store: Store, *, secrets: Collection[str] | None = None) -> Settings:
    """The configuration with what the store has. secrets: the sources whose secrets have to be there; None: all. The secrets of others are
    not opened, and the key is not asked for. What is wrong is left out, and stands in `broken`. Raises StoreError."""
    found: dict[str, Source] = {}
    broken: dict[str, list[Mistake]] = {}
    rows = configured.rows(store)
    in_file = settings.sources.keys() - settings.kept

    @cache
    def opens() -> Vault:
        return vault(settings, store)

    for row in rows:
        if row.settings is None or row.source in in_file:
            continue
        wanted = secrets is None or row.source in secrets
        source, problems = _read(row, row.settings, opens if wanted else None)
        if source is None:
            broken[row.source] = problems
        else:
            source.networks, source.folders = settings.console.networks, settings.console.folders
            found[row.source] = source
    return settings.completed(found, broken, max((row.version for row in rows), default=0))


def current(settings: Settings, store: Store) -> Settings:
    """The configuration as it is now: the very same, unless somebody has changed a source meanwhile. Raises StoreError."""
    return settings if version(store) == settings.version else complete(settings, store)


def save(
    settings: Settings,
    store: Store,
    name: str,
    entered: Mapping[str, Any],
    secrets: Mapping[str, str | None],
    *,
    by: str,
    at: datetime,
    seen: int | None = None,
) -> list[Mistake]:
    """Keep a source; gives what is wrong, and then keeps nothing. entered: the settings as the file would have them, `connector`
    among them, but for the secrets. secrets: {key: what was pasted}; one that is empty or not there stays as it is kept, unless it would go
    to another address than before; None drops it. by: the account. seen: the version that the form was filled with, so that nobody
    overwrites what another has changed meanwhile; None: the source is new. Raises StoreError."""
    row = _row(store, name)
    if seen is None and row is not None and row.settings is not None:
        return [Mistake("name", "is that of a source that was set up in the console already")]
    if seen is not None and (row is None or row.version != seen):
        return [_changed_meanwhile(row)]
    made = _draft(settings, store, name, entered, secrets, row)
    if made.problems:
        return made.problems
    sealed = dict(made.kept)
    if made.pasted:
        try:
            seals = vault(settings, store, make=True)
        except ConfigError as problem:
            return [Mistake("", str(problem))]
        bound = _bound(name, discovery.find(entered["connector"]), entered)
        sealed |= {key: seals.seal(value, _of(bound, key)) for key, value in made.pasted.items()}
    if not configured.write(store, name, dict(entered), sealed, at=at, by=by, seen=row and row.version):
        return [_changed_meanwhile(_row(store, name))]
    return []


def remove(store: Store, name: str, *, by: str, at: datetime) -> None:
    """Remove a source, its secrets with it; its roster stays. Raises ConfigError when none of that name was set up in the console, and
    StoreError."""
    while True:
        row = _row(store, name)
        if row is None or row.settings is None:
            raise ConfigError(f"no source {name!r} was set up in the console; `syncd sources` says where each is set up.")
        if configured.write(store, name, None, {}, at=at, by=by, seen=row.version):
            return


def reseal(settings: Settings, store: Store) -> tuple[int, list[str]]:
    """Seal all secrets with the first key, so that the others can go: how many were, and the sources that have one which no key opens.
    Raises ConfigError and StoreError."""
    seals, done, shut = vault(settings, store), 0, []
    for row in configured.rows(store):
        if not row.sealed:
            continue
        try:
            sealed = {key: seals.reseal(text) for key, text in row.sealed.items()}
        except CanNotOpen:
            shut.append(row.source)
            continue
        if not configured.write(store, row.source, row.settings, sealed, at=row.changed_at, by=row.changed_by, seen=row.version):
            raise StoreError(f"{row.source} was changed meanwhile.", advice="Do it once more.")
        done += len(sealed)
    return done, shut


def _row(store: Store, name: str) -> configured.Row | None:
    return next((row for row in configured.rows(store) if row.source == name), None)


def _changed_meanwhile(row: configured.Row | None) -> Mistake:
    by = f" by {row.changed_by}" if row else ""
    return Mistake("", f"was changed meanwhile{by}: look at it as it is now, and change it again")


def _read(row: configured.Row, settings: dict[str, Any], opens: Callable[[], Vault] | None) -> tuple[Source | None, list[Mistake]]:
    """A source out of its row, or what is wrong with it. opens: gives the vault, where its secrets are needed."""
    values: dict[str, str | None] = dict.fromkeys(row.sealed)
    source, problems = _parsed(row.source, settings, values)
    if source is None or opens is None or not row.sealed:
        return _as_changed(source, row), problems
    try:
        values, problems = _opened(opens(), row.sealed, _bound(row.source, source.connector, settings))
    except ConfigError as problem:
        return None, [Mistake("", f"its secrets can not be opened ({problem}): enter them again, or bring back the key")]
    if problems:
        return None, problems
    source, problems = _parsed(row.source, settings, values)
    return _as_changed(source, row), problems


def _as_changed(source: Source | None, row: configured.Row) -> Source | None:
    if source is not None:
        source.changed_at = row.changed_at
    return source


def _draft(
    settings: Settings,
    store: Store,
    name: str,
    entered: Mapping[str, Any],
    secrets: Mapping[str, str | None],
    row: configured.Row | None,
) -> _Draft:
    given = {key: value if value is None else value.strip() for key, value in secrets.items()}
    for value in given.values():
        remember(value or "")
    if not is_name(name):
        return _refused("name", "has small letters, digits, - and _ only (63 at most)")
    if name in settings.sources.keys() - settings.kept:
        return _refused("name", f"stands in {settings.path.name}, which is the administrator's: change it there, or take another name")
    try:
        connector = discovery.find(str(entered.get("connector", "")))
    except ConfigError as problem:
        return _refused("connector", str(problem))
    known = {one.name for one in form.form(connector) if one.kind == form.Kind.SECRET}
    problems = [Mistake(key, "is no secret of this connector") for key in given if key not in known]
    before = row.settings if row is not None and row.settings is not None else {}
    old = row.sealed if row is not None and before.get("connector") == entered["connector"] else {}
    kept = {key: text for key, text in old.items() if key in known and given.get(key, "") == ""}
    pasted = {key: value for key, value in given.items() if key in known and value}
    values: dict[str, str | None] = dict.fromkeys(kept)
    now = _bound(name, connector, entered)
    if kept and now != _bound(name, connector, before):
        problems += [Mistake(key, ANEW) for key in kept]
    elif kept:
        try:
            values, shut = _opened(vault(settings, store), kept, now)
        except ConfigError:
            shut = [Mistake(key, SHUT) for key in kept]
        problems += shut
    source, more = _parsed(name, entered, values | pasted)
    problems += more
    return _Draft(None if problems else source, problems, kept, pasted)


def _refused(key: str, words: str) -> _Draft:
    return _Draft(None, [Mistake(key, words)])


def _bound(name: str, connector: type[Connector], table: Mapping[str, Any]) -> dict[str, Any]:
    """What a source's secrets are bound to: its name, and all in its settings of which its connector does not say that it leads nowhere;
    also under names that the form does not know. (Defaults are not part of it: they come with syncd itself, and may change with it.)"""
    harmless = {one.name for one in form.form(connector) if not one.leads} | sources.COMMON
    return {
        "source": name,
        "leads": {key: _host(value) for key, value in form.leaves(table) if harmless.isdisjoint((key, key.split(".")[0]))},
    }


def _of(bound: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {**bound, "key": key}


def _host(value: Any) -> Any:
    """Of an address its scheme, host and port: what stands behind them leads nowhere else."""
    if isinstance(value, list | tuple):
        return [_host(part) for part in value]
    try:
        parts = urlsplit(value)
    except (ValueError, TypeError, AttributeError):
        return value
    return f"{parts.scheme}://{parts.netloc}".lower() if parts.scheme and parts.netloc else value


def _opened(opens: Vault, sealed: Mapping[str, str], bound: Mapping[str, Any]) -> tuple[dict[str, str | None], list[Mistake]]:
    values: dict[str, str | None] = {}
    problems = []
    for key, text in sealed.items():
        try:
            values[key] = opens.open(text, _of(bound, key))
        except CanNotOpen:
            values[key] = None
            problems.append(Mistake(key, SHUT))
    return values, problems


def _parsed(name: str, settings: Mapping[str, Any], secrets: Mapping[str, str | None]) -> tuple[Source | None, list[Mistake]]:
    table = deepcopy(dict(settings))
    try:
        for key, value in secrets.items():
            form.put(table, key, Secret.kept(value))
        return sources.parse(name, table, context=NO_PLACES), []
    except ValidationError as problem:
        return None, mistakes(problem)
    except ConfigError as problem:
        return None, [Mistake("connector", str(problem))]
    except Exception as problem:  # a connector's own model may raise anything: the others go on
        return None, [Mistake("", f"its settings can not be read ({type(problem).__name__})")]
