"""`[retention]` and `[sources.NAME.retention]`: what goes after how many days. There is no default that removes anything."""

from typing import Annotated

from pydantic import Field

from syncd.settings.table import Table

Days = Annotated[int, Field(strict=True, ge=1, le=36_500)]


class RetentionSettings(Table):
    """Days, of 24 hours; a key that is not set keeps its part for ever."""

    inactive_days: Days | None = None
    """Personal data of users, enrollments and sections that have been inactive for so long."""

    history_days: Days | None = None
    """Old and new values in the change log, without which a run can not be undone; holds that nobody answered."""

    quarantine_days: Days | None = None
    """The lists of what could not be used."""

    log_days: Days | None = None
    """The runs' log lines in the store."""

    @property
    def days(self) -> dict[str, int]:
        """The keys that are set."""
        return self.model_dump(exclude_none=True)
