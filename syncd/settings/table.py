"""What every table of the configuration file has in common."""

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """Unknown keys are refused, and a refusal never repeats the value: it may be a secret. What was read does not change."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)
