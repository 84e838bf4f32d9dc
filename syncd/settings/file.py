"""Reading syncd.toml: every mistake is one clear line that names file, source and key, and never the value that was found there."""

import os
import re
import tomllib
from collections.abc import Collection, Mapping
from copy import copy
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, Field, ValidationError, field_validator
from sqlalchemy import make_url

from syncd.errors import ConfigError
from syncd.secret import HOW, MissingSecret, Secret, is_open_to_others
from syncd.settings import source as sources
from syncd.settings.cluster import ClusterSettings
from syncd.settings.console import ConsoleSettings
from syncd.settings.mistakes import Mistake, mistakes
from syncd.settings.notices import NoticeSettings, WebhookSettings
from syncd.settings.retention import RetentionSettings
from syncd.settings.table import Table

PLACES = (Path("syncd.toml"), Path("/etc/syncd/syncd.toml"))
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}$")


def is_name(name: str) -> bool:
    """Whether a source may be called so."""
    return _NAME.match(name) is not None


class StoreSettings(Table):
    """Where the roster is kept."""

    url: str = "sqlite:///roster.db"
    """Where the roster is kept: a SQLite file, whose path, when it is relative, is taken from the configuration file's folder; or a
    PostgreSQL database (14 or newer), as in `"postgresql://syncd@localhost/roster"`."""

    password: Secret | None = None
    """Of the PostgreSQL user. It never stands in the url."""

    @field_validator("url")
    @classmethod
    def _without_password(cls, value: str) -> str:
        if re.match(r"[\w+]+://[^/@]*:[^/@]+@", value):
            raise ValueError(f"a password may not stand in it: take it out, and write it as password: {HOW}")
        return value


class LogSettings(Table):
    """What is logged."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is logged."""


class FileSettings(Table):
    """The whole file."""

    timezone: str = "UTC"
    """Time zone of the cron schedules: an IANA name such as `"America/Chicago"`."""

    workers: int = Field(4, ge=1, le=64)
    """How many sources one process pulls at once."""

    store: StoreSettings = Field(default_factory=StoreSettings)
    log: LogSettings = Field(default_factory=LogSettings)
    cluster: ClusterSettings = Field(default_factory=ClusterSettings)
    console: ConsoleSettings = ConsoleSettings()
    retention: RetentionSettings = Field(default_factory=RetentionSettings)
    notices: NoticeSettings = Field(default_factory=NoticeSettings)
    webhooks: dict[str, WebhookSettings] = Field(default_factory=dict)
    sources: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError('is no time zone: write a name such as "America/Chicago"') from None
        return value


class Settings:
    """A configuration that was read and found right, and completed with the sources that were set up in the console (`settings/kept.py`).

    kept: which of `sources` those are; broken: {name: what is wrong} of those that had to be left out; version: of the store's sources as
    they were read, 0 before that.
    """

    def __init__(self, path: Path, file: FileSettings, found: dict[str, sources.Source]) -> None:
        self.path = path
        self.timezone = file.timezone
        self.workers = file.workers
        self.log_level = file.log.level
        self.cluster = file.cluster
        self.console = file.console.beside(path.parent)
        self.sources = found
        self.kept: frozenset[str] = frozenset()
        self.broken: Mapping[str, list[Mistake]] = {}
        self.version = 0
        self.webhooks = file.webhooks
        self._retention = file.retention
        self._notices = file.notices
        self.store_url = signed_in(_beside(file.store.url, path), file.store.password)

    def completed(self, kept: Mapping[str, sources.Source], broken: Mapping[str, list[Mistake]], version: int) -> "Settings":
        """The same, with what the store has by now instead of what it had."""
        made = copy(self)
        made.sources = {name: source for name, source in self.sources.items() if name not in self.kept} | dict(kept)
        made.kept, made.broken, made.version = frozenset(kept), dict(broken), version
        return made

    def today(self) -> date:
        """The day in the configured time zone."""
        return datetime.now(ZoneInfo(self.timezone)).date()

    def retention(self, source: str) -> dict[str, int]:
        """The days of `[retention]`, with the source's own before the file's; also for a source that is no longer configured. Of one whose
        own can not be read nothing is to go: it may be kept for longer."""
        if source in self.broken:
            return {}
        own = self.sources[source].common.retention.days if source in self.sources else {}
        return self._retention.days | own

    def notices(self, source: str | None = None) -> NoticeSettings:
        """`[notices]`, with a configured source's own before the file's."""
        return self._notices if source is None else self._notices.but(self.sources[source].common.notices)

    def problems(self, name: str) -> list[str]:
        """Why a source had to be left out, as lines that name it; empty when it was not."""
        return [mistake.at(f"source {name} (set up in the console)") for mistake in self.broken.get(name, [])]

    def source(self, name: str) -> sources.Source:
        """Raises ConfigError when there is no such source, or it had to be left out."""
        if name in self.broken:
            raise ConfigError(*self.problems(name))
        if name not in self.sources:
            known = ", ".join(self.sources) or "none yet"
            raise ConfigError(f"{self.path.name} has no source {name!r}, and none was set up in the console; there are: {known}")
        return self.sources[name]


def signed_in(url: str, password: Secret | None) -> str:
    """A store's URL with its password, for opening it only. Raises MissingSecret."""
    return url if password is None else make_url(url).set(password=password.reveal()).render_as_string(hide_password=False)


def _beside(url: str, path: Path) -> str:
    prefix = "sqlite:///"
    if url.startswith(prefix) and not url.startswith(prefix + "/"):
        return prefix + str((path.parent / url.removeprefix(prefix)).resolve())
    return url


def find_config(given: Path | None) -> Path:
    """The file to read: as given, else SYNCD_CONFIG, else the first of the usual places. Raises ConfigError."""
    if given is None and os.environ.get("SYNCD_CONFIG"):
        given = Path(os.environ["SYNCD_CONFIG"])
    if given is not None:
        return given
    for place in PLACES:
        if place.exists():
            return place
    raise ConfigError("there is no syncd.toml here. Make one with `syncd init`, or name it with --config FILE.")


def load(path: Path, *, secrets: Collection[str] | None = None) -> Settings:
    """Read and validate a configuration file. secrets: the sources whose secrets have to be there (the store's always have to); None: all.

    The sources that were set up in the console stand in the store: `kept.complete` adds them. Raises ConfigError with one line per mistake.
    """
    try:
        # Whoever can write it can lead our credentials to an address of their own.
        if is_open_to_others(path, write=True):
            raise ConfigError(f"{path}: everybody on this machine may change it: chmod o-w {path}")
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise ConfigError(f"{path}: can not be read ({problem.strerror}).") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text.") from None
    except tomllib.TOMLDecodeError as problem:
        raise ConfigError(f"{path}: {_toml(str(problem))}") from None
    try:
        file = FileSettings.model_validate(table)
    except ValidationError as problem:
        raise ConfigError(*(f"{path}: {mistake}" for mistake in mistakes(problem))) from None
    problems = _missing_secrets(f"{path}: [store]", file.store)
    if secrets is None:
        problems += _missing_secrets(f"{path}: [console]", file.console)
    if file.cluster.enabled and not file.store.url.startswith("postgresql"):
        problems.append(f"{path}: [cluster] enabled: several machines can share a PostgreSQL database only: name one as [store] url")
    found: dict[str, sources.Source] = {}
    for name, own in file.sources.items():
        where = f"{path}: [sources.{name}]"
        if not is_name(name):
            problems.append(f"{where}: a source's name has small letters, digits, - and _ only (63 at most)")
            continue
        try:
            found[name] = sources.parse(name, own)
        except ValidationError as problem:
            problems += [mistake.at(where) for mistake in mistakes(problem)]
            continue
        except ConfigError as problem:
            problems.append(f"{where} connector: {problem}")
            continue
        if secrets is None or name in secrets:
            problems += _missing_secrets(where, found[name].own)
        if secrets is None:
            problems += _missing_secrets(f"{where} notices", found[name].common.notices)
    if secrets is None:
        problems += _missing_secrets(f"{path}: [notices]", file.notices)
    for name, webhook in file.webhooks.items():
        where = f"{path}: [webhooks.{name}]"
        if not is_name(name):
            problems.append(f"{where}: a webhook's name has small letters, digits, - and _ only (63 at most)")
        problems += [f"{where} sources: there is no source {one}" for one in webhook.sources or () if one not in file.sources]
        if secrets is None:
            problems += _missing_secrets(where, webhook) or _unusable(where, webhook)
    if problems:
        raise ConfigError(*problems)
    return Settings(path, file, found)


def _missing_secrets(where: str, section: BaseModel) -> list[str]:
    problems = []
    for key in type(section).model_fields:
        value = getattr(section, key)
        for secret in value if isinstance(value, tuple) else (value,):
            try:
                if isinstance(secret, Secret):
                    secret.reveal()
            except MissingSecret as problem:
                problems.append(f"{where} {key}: {problem}")
    return problems


def _unusable(where: str, webhook: WebhookSettings) -> list[str]:
    try:
        assert webhook.address and webhook.keys
    except MissingSecret as problem:
        return [f"{where}: {problem}"]
    return []


def _toml(message: str) -> str:
    """tomllib's message without what it quotes of the file: that could be a secret."""
    place = re.search(r"\(at (line \d+, column \d+|end of document)\)", message)
    at = place[1] if place else "somewhere"
    if "twice" in message or "overwrite" in message or "Cannot declare" in message:
        return f"{at}: the same name stands twice; give each source and key a name of its own"
    return f"{at}: this is not TOML; look for a missing quote or bracket"
