"""When a source is pulled: "every 15 minutes", or a cron expression of five fields."""

import random
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger
from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema

_EVERY = re.compile(r"every\s+(?:(\d+)\s+)?(second|minute|hour|day)s?$", re.IGNORECASE)
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
LATE = 60  # seconds at most: not all sources are asked in the same second
_LOT = random.SystemRandom()
HOW = 'write "every 15 minutes" or a cron expression such as "0 2 * * *" (minute hour day month weekday)'


class _Cron(CronTrigger):  # type: ignore[misc]  # APScheduler 3 tells no types
    """A cron expression, up to a minute late. One that names an hour comes once a day, also in autumn, when an hour is lived twice.

    APScheduler's own jitter is added to the time on the clock's face, which in that second hour gives a time an hour ago: it would pull
    again and again until the hour is over.
    """

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        names_an_hour = not str(next(field for field in self.fields if field.name == "hour")).startswith("*")
        found: datetime | None = super().get_next_fire_time(previous, now)
        while found is not None and names_an_hour and found.fold:
            found = super().get_next_fire_time(found, found)
        return found and found.astimezone(UTC) + timedelta(seconds=_LOT.uniform(0, LATE))


@dataclass(frozen=True, slots=True)
class Schedule:
    """`text` as written. Raises ValueError when it is neither form."""

    text: str

    def __post_init__(self) -> None:
        if not self.seconds:
            try:
                CronTrigger.from_crontab(self.text)
            except ValueError:
                raise ValueError(f"is no schedule: {HOW}") from None

    @property
    def seconds(self) -> int | None:
        """The interval in seconds; None for a cron expression."""
        found = _EVERY.match(self.text.strip())
        return int(found[1] or 1) * _SECONDS[found[2].lower()] if found else None

    def trigger(self, timezone: str) -> BaseTrigger:
        """An APScheduler trigger, with jitter so that not all sources are asked in the same second."""
        if self.seconds:
            return IntervalTrigger(seconds=self.seconds, jitter=min(LATE, self.seconds // 10) or None, timezone=timezone)
        return _Cron.from_crontab(self.text, timezone=timezone)

    def next(self, previous: datetime | None, now: datetime, timezone: str) -> datetime:
        """The next time after one that has come. What was missed meanwhile is not made up for. previous None: it was the first, and the
        next is anywhere around an interval away, so that sources that were added together are not asked together for ever."""
        if not self.seconds:
            found: datetime = self.trigger(timezone).get_next_fire_time(None, now)
            return found
        if previous is None:
            return now + timedelta(seconds=self.seconds * _LOT.uniform(0.5, 1.5))
        found = previous + timedelta(seconds=self.seconds)
        return found if found > now else now + timedelta(seconds=self.seconds)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        def parse(value: Any) -> Schedule:
            if isinstance(value, Schedule):
                return value
            if not isinstance(value, str):
                raise ValueError(f"is no schedule: {HOW}")
            return cls(value)

        return core_schema.no_info_plain_validator_function(parse)
