"""`[sources.NAME]`: what is the same for every source; the rest of its keys belong to its connector."""

import hashlib
import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from syncd import __version__
from syncd.contract import discovery
from syncd.contract.connector import ADVANCED, Connector, ConnectorSettings, Context, Networks
from syncd.settings.guard import Day, GuardSettings, QuietSettings
from syncd.settings.notices import SourceNoticeSettings
from syncd.settings.retention import RetentionSettings
from syncd.settings.schedule import Schedule
from syncd.settings.table import Table

_WORD = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}$")


def _word(value: str) -> str:
    if not _WORD.match(value):
        raise ValueError("write a word of small letters, digits, - and _")
    return value


class SourceSettings(Table):
    """`people` is not named `district`: Clever's own settings have that, and it means an id."""

    connector: str = Field(description="`clever`, `oneroster`, `oneroster-csv`, `templates`, or one that is installed beside them.")
    schedule: Schedule = Field(
        Schedule("every 15 minutes"),
        title="Frequent pulls",
        description='When to ask for what changed: "every 15 minutes", or a cron expression (minute hour day month weekday).',
    )
    full: Schedule | None = Field(
        Schedule("0 2 * * *"),
        title="Full pull",
        description="When to pull everything, which proves the roster equal to the source. Every night at two by default.",
    )
    enabled: bool = Field(True, title="On", description="Whether syncd pulls it by itself. A sync by hand works all the same.")
    guard: GuardSettings = Field(GuardSettings(), json_schema_extra=ADVANCED)
    quiet: QuietSettings | None = Field(None, json_schema_extra=ADVANCED)
    retention: RetentionSettings = Field(RetentionSettings(), json_schema_extra=ADVANCED)
    notices: SourceNoticeSettings = Field(SourceNoticeSettings(), json_schema_extra=ADVANCED)
    expires: Day | None = Field(
        None,
        title="Credentials end on",
        description="The day on which the credentials end, as in 2027-06-30, where you know it: people are told in time.",
        json_schema_extra=ADVANCED,
    )
    people: Annotated[str, AfterValidator(_word)] | None = Field(
        None,
        title="Whose people",
        description="A word of your choice, the same for all sources of one district: their people are linked, and with nobody else. "
        "Student numbers are unique within a district only.",
    )


COMMON = frozenset(SourceSettings.model_fields)


class Source:
    """A configured source: its name, the common settings, and its connector with the connector's own. changed_at: when somebody last
    changed it in the console; None for one of the file. networks: internal ones in which it may be asked; folders: in which its
    files have to lie; None: anywhere, as the administrator wrote it."""

    def __init__(self, name: str, common: SourceSettings, connector: type[Connector], own: ConnectorSettings) -> None:
        self.name = name
        self.common = common
        self.connector = connector
        self.own = own
        self.changed_at: datetime | None = None
        self.networks: Networks | None = None
        self.folders: tuple[Path, ...] | None = None

    @property
    def reader(self) -> str:
        """What its documents are read with: syncd, the connector as it is installed, and the connector's settings."""
        installed = dict(discovery.installed()).get(self.common.connector, "")
        settings = hashlib.blake2b(repr(self.own).encode(), digest_size=16).hexdigest()
        return f"syncd {__version__}, {installed}, {settings}"

    def rhythm(self, timezone: str) -> str:
        """Its schedules and their time zone in one text: when that changes, its next times are worked out anew. (What somebody changed in
        the console is pulled at once: they want to see whether it is right.)"""
        full = self.common.full.text if self.common.full else "no full"
        changed = f"; {self.changed_at.isoformat()}" if self.changed_at else ""
        return f"{self.common.schedule.text}; {full}; {timezone}{changed}"

    def connect(self, context: Context) -> Connector:
        """A connector for one run."""
        context.networks, context.folders = self.networks, self.folders
        return self.connector(self.own, context)


def parse(name: str, table: dict[str, Any], context: dict[str, Any] | None = None) -> Source:
    """A source out of its table. context: of the validation (`secret.NO_PLACES`). Raises pydantic's ValidationError, or ConfigError for a
    connector that is not installed."""
    common = SourceSettings.model_validate({key: value for key, value in table.items() if key in COMMON})
    connector = discovery.find(common.connector)
    if connector.abilities.handed:
        # Nobody asks it, so that no schedule does.
        common = common.model_copy(update={"enabled": False})
    own = connector.settings_model.model_validate({key: value for key, value in table.items() if key not in COMMON}, context=context)
    return Source(name, common, connector, own)
