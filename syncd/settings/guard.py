"""`[sources.NAME.guard]`: how much a run may take away without asking a person."""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainValidator

_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%$")


@dataclass(frozen=True, slots=True)
class Limit:
    """A number of records, or a percentage of the active records of a kind."""

    value: float
    percent: bool

    def allows(self, count: int, of: int) -> bool:
        return count <= (of * self.value / 100 if self.percent else self.value)

    def __str__(self) -> str:
        return f"{self.value:g}%" if self.percent else f"{self.value:g}"


def _limit(value: Any) -> Limit:
    if isinstance(value, Limit):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return Limit(value, percent=False)
    found = _PERCENT.match(value.strip()) if isinstance(value, str) else None
    if found and float(found[1]) <= 100:
        return Limit(float(found[1]), percent=True)
    raise ValueError('write a percentage such as "5%", or a count such as 200')


class GuardSettings(BaseModel):
    """max_deactivations: of the active records of a kind, in one run; a number is a count. 5% is far above a normal school day and
    far below a vanished school. floor: so many always pass a percentage, so that a small school does not trip over one family."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)

    max_deactivations: Annotated[Limit, PlainValidator(_limit)] = Limit(5, percent=True)
    floor: Annotated[int, Field(ge=0)] = 5
