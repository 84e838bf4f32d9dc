"""`[cluster]`: whether several machines share the store."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class ClusterSettings(BaseModel):
    """enabled: `syncd serve` no longer pulls itself; it queues what is due, and each `syncd worker` pulls it, on whatever machine. tick:
    seconds between two looks for what is due, which bound by how much a death delays anything. silence: seconds without a sign of life
    after which a process counts as dead; short enough to pull anew soon, long enough for a machine that is busy."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)

    enabled: bool = False
    tick: Annotated[int, Field(ge=1, le=300)] = 10
    silence: Annotated[int, Field(ge=3, le=3600)] = 60

    @property
    def beat(self) -> float:
        """Seconds between two signs of life: several may be lost."""
        return self.silence / 6
