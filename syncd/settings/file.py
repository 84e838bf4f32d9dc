"""Reading syncd.toml: every mistake is one clear line that names file, source and key, and never the value that was found there."""

import os
import re
import tomllib
from collections.abc import Collection
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from sqlalchemy import make_url

from syncd.errors import ConfigError
from syncd.secret import HOW, MissingSecret, Secret, is_open_to_others
from syncd.settings import source as sources
from syncd.settings.cluster import ClusterSettings
from syncd.settings.retention import RetentionSettings

PLACES = (Path("syncd.toml"), Path("/etc/syncd/syncd.toml"))
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}$")


def is_name(name: str) -> bool:
    """Whether a source may be called so."""
    return _NAME.match(name) is not None


class StoreSettings(BaseModel):
    """Where the roster is kept."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)

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


class LogSettings(BaseModel):
    """What is logged."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is logged."""


class FileSettings(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)

    timezone: str = "UTC"
    """Time zone of the cron schedules: an IANA name such as `"America/Chicago"`."""

    workers: int = Field(4, ge=1, le=64)
    """How many sources one process pulls at once."""

    store: StoreSettings = Field(default_factory=StoreSettings)
    log: LogSettings = Field(default_factory=LogSettings)
    cluster: ClusterSettings = Field(default_factory=ClusterSettings)
    retention: RetentionSettings = Field(default_factory=RetentionSettings)
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
    """A configuration that was read and found right."""

    def __init__(self, path: Path, file: FileSettings, found: dict[str, sources.Source]) -> None:
        self.path = path
        self.timezone = file.timezone
        self.workers = file.workers
        self.log_level = file.log.level
        self.cluster = file.cluster
        self.sources = found
        self._retention = file.retention
        self.store_url = signed_in(_beside(file.store.url, path), file.store.password)

    def today(self) -> date:
        """The day in the configured time zone."""
        return datetime.now(ZoneInfo(self.timezone)).date()

    def retention(self, source: str) -> dict[str, int]:
        """The days of `[retention]`, with the source's own before the file's; also for a source that is no longer configured."""
        own = self.sources[source].common.retention.days if source in self.sources else {}
        return self._retention.days | own

    def source(self, name: str) -> sources.Source:
        """Raises ConfigError when there is no such source."""
        if name not in self.sources:
            known = ", ".join(self.sources) or "none yet"
            raise ConfigError(f"{self.path.name} has no source {name!r}; it has: {known}")
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
    """Read and validate a configuration. secrets: the sources whose secrets have to be there (the store's always have to); None: all.

    Raises ConfigError with one line per mistake.
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
        raise ConfigError(*_lines(str(path), "", problem)) from None
    problems = _missing_secrets(f"{path}: [store]", file.store)
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
            problems += _lines(where, " ", problem)
            continue
        except ConfigError as problem:
            problems.append(f"{where} connector: {problem}")
            continue
        if secrets is None or name in secrets:
            problems += _missing_secrets(where, found[name].own)
    if problems:
        raise ConfigError(*problems)
    return Settings(path, file, found)


def _missing_secrets(where: str, section: BaseModel) -> list[str]:
    problems = []
    for key in type(section).model_fields:
        value = getattr(section, key)
        if isinstance(value, Secret):
            try:
                value.reveal()
            except MissingSecret as problem:
                problems.append(f"{where} {key}: {problem}")
    return problems


def _toml(message: str) -> str:
    """tomllib's message without what it quotes of the file: that could be a secret."""
    place = re.search(r"\(at (line \d+, column \d+|end of document)\)", message)
    at = place[1] if place else "somewhere"
    if "twice" in message or "overwrite" in message or "Cannot declare" in message:
        return f"{at}: the same name stands twice; give each source and key a name of its own"
    return f"{at}: this is not TOML; look for a missing quote or bracket"


_WORDS = {
    "extra_forbidden": "is not a key that is known here",
    "missing": "is missing",
    "string_type": "must be text, in quotes",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
}


def _lines(where: str, gap: str, problem: ValidationError) -> list[str]:
    lines = []
    for error in problem.errors(include_input=False, include_url=False, include_context=True):
        key = ".".join(str(part) for part in error["loc"])
        words = _WORDS.get(error["type"])
        if words is None:
            words = error["msg"].removeprefix("Value error, ")
            words = words.replace("Input should be", "must be")
        lines.append(f"{where}{gap or ': '}{key}: {words}" if key else f"{where}: {words}")
    return lines
