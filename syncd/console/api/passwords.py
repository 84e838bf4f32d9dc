"""Whether a password is a person's: all that can be asked of those that are kept. None ever comes out, and no hash."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from syncd.console.api.answers import WRONG, Problem
from syncd.console.who import Here, Operator, may_see
from syncd.store import passwords

TOO_MANY: dict[int | str, dict[str, Any]] = {
    429: {"model": Problem, "description": "Too many words were wrong for this person: `Retry-After` says when to try again."}
}

router = APIRouter(tags=["passwords"], responses=WRONG | TOO_MANY)


# No database has a NUL in a text.
PLAIN = r"^[^\x00]*$"


class Tried(BaseModel):
    """id: the source's id of the user. password: as it was typed."""

    model_config = ConfigDict(hide_input_in_errors=True)

    source: Annotated[str, Field(max_length=63, pattern=PLAIN)]
    id: Annotated[str, Field(max_length=1000, pattern=PLAIN)]
    password: Annotated[SecretStr, Field(max_length=1000)]


class Judged(BaseModel):
    """right: it is that of an active user, of whom a password is kept."""

    right: bool


@router.post("/api/password")
def check(tried: Tried, site: Here, who: Operator) -> Judged:
    """Whether a password that somebody typed is that of a person, of a source that keeps passwords. For who has none, and for whom nobody
    knows, it is `false` like a wrong one. After five wrong ones in a quarter of an hour nothing is looked at for that person (429, with
    `Retry-After`)."""
    may_see(who, tried.source, refuse=True)
    right = passwords.is_right(site.store, tried.source, tried.id, tried.password.get_secret_value(), datetime.now(UTC))
    return Judged(right=right)
