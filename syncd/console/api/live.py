"""Server-sent events: runs and their log lines as they come."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from syncd.console.api.answers import WRONG, Log
from syncd.console.who import Here, Viewer, may_see
from syncd.view import lines

router = APIRouter(tags=["live"], responses=WRONG)


class Events(StreamingResponse):
    media_type = "text/event-stream"


@router.get("/api/log")
def latest(
    site: Here,
    who: Viewer,
    source: Annotated[str | None, Query(max_length=63)] = None,
    run: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    level: Annotated[str | None, Query(pattern="^(debug|info|warning|error|critical)$")] = None,
    limit: Annotated[int, Query(ge=1, le=2000)] = lines.PAGE,
) -> Log:
    """The latest log lines of all runs, oldest first. level: the least that is told."""
    return Log(lines=lines.latest(site.store, source=who.source or source, run=run, level=level, limit=limit))


@router.get("/api/events", response_class=Events)
async def events(
    request: Request,
    site: Here,
    who: Viewer,
    source: Annotated[str | None, Query(max_length=63)] = None,
    run: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    level: Annotated[str | None, Query(pattern="^(debug|info|warning|error|critical)$")] = None,
    stands: Annotated[
        list[Annotated[int, Field(ge=1, le=2**31 - 1)]] | None,
        Query(max_length=100, description="Runs of which it is also told at once where they stand: one may have ended a moment ago."),
    ] = None,
) -> Events:
    """What happens from now on, as server-sent events: `line` (a log line) and `run` (where a run stands), as JSON each."""
    site.tail.has_room()
    least = lines.LEVELS.index(level) if level else 0

    async def told() -> AsyncIterator[bytes]:
        asked = stands or []
        async for name, what in site.tail.watch():
            if name == "alive":
                yield b": alive\n\n"
                # Whatever happens from here on is told anyway.
                found, asked = await run_in_threadpool(lines.standing, site.store, asked) if asked else {}, []
                for number, told_of in found.items():
                    if may_see(who, told_of["source"]):
                        yield _event("run", {"run": number, **told_of})
            elif not may_see(who, what["source"]) or (source and what["source"] != source) or (run and what["run"] != run):
                continue
            elif name == "run" or lines.LEVELS.index(what["level"]) >= least:
                yield _event(name, what)

    return Events(told(), headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


def _event(name: str, what: dict[str, Any]) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(what) + b"\n\n"
