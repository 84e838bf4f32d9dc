"""`[sources.NAME]`: what is the same for every source; the rest of its keys belong to its connector."""

import hashlib
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict

from syncd import __version__
from syncd.contract import discovery
from syncd.contract.connector import Connector, ConnectorSettings, Context
from syncd.settings.guard import GuardSettings, QuietSettings
from syncd.settings.retention import RetentionSettings
from syncd.settings.schedule import Schedule

_WORD = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}$")


def _word(value: str) -> str:
    if not _WORD.match(value):
        raise ValueError("write a word of small letters, digits, - and _")
    return value


class SourceSettings(BaseModel):
    """What is the same for every source."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)

    connector: str
    """`"clever"`, `"oneroster"`, or one that is installed beside them."""

    schedule: Schedule = Schedule("every 15 minutes")
    """The frequent pulls: of what changed, where the source can tell."""

    full: Schedule | None = Schedule("0 2 * * *")
    """The full pull that proves the roster equal to the source."""

    enabled: bool = True
    """Whether the daemon pulls it. `syncd sync` does all the same."""

    guard: GuardSettings = GuardSettings()
    quiet: QuietSettings | None = None
    retention: RetentionSettings = RetentionSettings()

    # Student numbers are unique within a district only. (Not named `district`: Clever's own settings have that, and it means an id.)
    people: Annotated[str, AfterValidator(_word)] | None = None
    """Whose people these are: a word of your choice, the same for all sources of one district. Only sources with the same word are linked;
    without one, with nobody."""


COMMON = frozenset(SourceSettings.model_fields)


class Source:
    """A configured source: its name, the common settings, and its connector with the connector's own."""

    def __init__(self, name: str, common: SourceSettings, connector: type[Connector], own: ConnectorSettings) -> None:
        self.name = name
        self.common = common
        self.connector = connector
        self.own = own

    @property
    def reader(self) -> str:
        """What its documents are read with: syncd, the connector as it is installed, and the connector's settings."""
        installed = dict(discovery.installed()).get(self.common.connector, "")
        settings = hashlib.blake2b(repr(self.own).encode(), digest_size=16).hexdigest()
        return f"syncd {__version__}, {installed}, {settings}"

    def connect(self, context: Context) -> Connector:
        """A connector for one run."""
        return self.connector(self.own, context)


def parse(name: str, table: dict[str, Any]) -> Source:
    """A source out of its table. Raises pydantic's ValidationError, or ConfigError for a connector that is not installed."""
    common = SourceSettings.model_validate({key: value for key, value in table.items() if key in COMMON})
    connector = discovery.find(common.connector)
    own = connector.settings_model.model_validate({key: value for key, value in table.items() if key not in COMMON})
    return Source(name, common, connector, own)
