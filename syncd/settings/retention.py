"""`[retention]` and `[sources.NAME.retention]`: what goes after how many days. There is no default that removes anything."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Days = Annotated[int, Field(strict=True, ge=1, le=36_500)]


class RetentionSettings(BaseModel):
    """Days, of 24 hours; a key that is not set keeps its part for ever.

    inactive_days: the personal data of records that have been inactive for so long. history_days: old and new values in the change log,
    and holds that nobody answered. quarantine_days: the lists of what could not be used. log_days: the runs' log lines.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)

    inactive_days: Days | None = None
    history_days: Days | None = None
    quarantine_days: Days | None = None
    log_days: Days | None = None

    @property
    def days(self) -> dict[str, int]:
        """The keys that are set."""
        return self.model_dump(exclude_none=True)
