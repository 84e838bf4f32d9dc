"""`[cluster]`: whether several machines share the store."""

from typing import Annotated

from pydantic import Field

from syncd.settings.table import Table


class ClusterSettings(Table):
    """Several machines at one PostgreSQL database."""

    enabled: bool = False
    """Several machines share the store, a PostgreSQL database: `syncd serve` no longer pulls itself; it queues what is due, and each
    `syncd worker` pulls it, on whatever machine."""

    tick: Annotated[int, Field(ge=1, le=300)] = 10
    """Seconds between two looks for what is due: no death delays anything by more."""

    # Short enough to pull anew soon, long enough for a machine that is busy.
    silence: Annotated[int, Field(ge=3, le=3600)] = 60
    """Seconds without a sign of life after which a process counts as dead."""

    @property
    def beat(self) -> float:
        """Seconds between two signs of life: several may be lost."""
        return self.silence / 6
