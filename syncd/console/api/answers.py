"""What the API answers beside the objects of `syncd.view`: lists with a name, errors, and that something was ordered."""

from typing import Any

from pydantic import BaseModel

from syncd.view.lines import Line
from syncd.view.sources import SourceState


class Problem(BaseModel):
    """What went wrong, in a sentence, and what to do next."""

    error: str
    advice: str = ""


class Sources(BaseModel):
    sources: list[SourceState]


class Log(BaseModel):
    lines: list[Line]


class Links(BaseModel):
    """Links as `syncd links --json` has them."""

    links: list[dict[str, Any]]


class Ordered(BaseModel):
    """The daemon will do it; `GET /api/orders/{order}` tells how it went."""

    order: int


class Found(BaseModel):
    """What a source answered to a first request: counts and ids only."""

    ok: bool
    found: str


class Done(BaseModel):
    done: bool = True


WRONG: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The request can not be read."},
    401: {"model": Problem, "description": "Nobody is signed in, or the token is not valid."},
    403: {"model": Problem, "description": "Whoever asks may not do that."},
    404: {"model": Problem, "description": "There is no such source, run or record."},
    409: {
        "model": Problem,
        "description": "It can not be done as things stand: nothing is held, a run is going on, or later runs are in the way.",
    },
    422: {"model": Problem, "description": "A parameter is not what it should be."},
    503: {"model": Problem, "description": "The store does not answer."},
}
