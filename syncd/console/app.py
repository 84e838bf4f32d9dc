"""The application: what answers under which address, what an error looks like, and what each answer carries for safety."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from syncd import __version__
from syncd.console import health, safety
from syncd.console.api import changes, live, passwords, roster, runs, sources
from syncd.console.api.answers import Problem
from syncd.console.oneroster import routes as rostering
from syncd.console.oneroster import token
from syncd.console.pages import importing, lists, overview, people, quality, record, sections, signin, source, templates
from syncd.console.pages import logs as log_pages
from syncd.console.pages import roster as roster_pages
from syncd.console.pages import run as run_pages
from syncd.console.pages.page import confirm_page, problem_page, wants_page
from syncd.console.site import Site
from syncd.console.tail import TooMany
from syncd.console.who import NotAllowed, ProofNeeded, SignInNeeded
from syncd.errors import AlreadyRunning, CanNotUndo, ConfigError, NothingHeld, StoreError, SyncdError, TooManyTries, Unknown, UnknownSource

log = structlog.get_logger()

HERE = Path(__file__).parent
# What answers programs, and what answers people.
API = tuple(part.router for part in (sources, runs, changes, roster, passwords, live))
PAGES = tuple(
    part.router
    for part in (
        overview,
        source,
        run_pages,
        roster_pages,
        record,
        people,
        sections,
        importing,
        log_pages,
        quality,
        templates,
        signin,
        health,
        lists,
    )
)
# What answers products as a OneRoster provider does, where `[console] oneroster` says so.
PROVIDER = (token.router, rostering.router)
# The first that fits. Whatever else goes wrong as foreseen is a matter of what was asked.
STATUS: tuple[tuple[type[SyncdError], int], ...] = (
    (SignInNeeded, 401),
    (NotAllowed, 403),
    (Unknown, 404),
    (UnknownSource, 404),
    (AlreadyRunning, 409),
    (NothingHeld, 409),
    (CanNotUndo, 409),
    (ConfigError, 422),
    (TooManyTries, 429),
    (StoreError, 503),
    (TooMany, 503),
    (SyncdError, 409),
)


def make_app(site: Site) -> FastAPI:
    """The console of a site."""

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        yield
        site.tail.close()

    app = FastAPI(
        title="syncd",
        version=__version__,
        description="What `syncd` knows and does, for programs. Sign in with `Authorization: Bearer TOKEN` (`syncd account token add`).",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        lifespan=life,
    )
    app.state.site = site
    for part in API:
        app.include_router(part)
    for part in PAGES:
        app.include_router(part, include_in_schema=False)
    for part in PROVIDER if site.console.oneroster else ():
        app.include_router(part, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    app.add_exception_handler(SyncdError, _told)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(Exception, _fault)
    safety.guard(app, site.console)
    return app


def _answer(request: Request, status: int, problem: Problem, seconds: int | None = None) -> Response:
    """seconds: after which it may be tried again."""
    if wants_page(request):
        return problem_page(request, status, problem)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if seconds is not None:
        headers["Retry-After"] = str(seconds)
    return JSONResponse(problem.model_dump(), status, headers)


async def _told(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, SyncdError)
    status = next(status for kind, status in STATUS if isinstance(problem, kind))
    if isinstance(problem, ProofNeeded) and wants_page(request):
        return confirm_page(request, status, str(problem), await request.form())
    seconds = problem.seconds if isinstance(problem, TooManyTries) else None
    return _answer(request, status, Problem(error=problem.message, advice=problem.advice), seconds)


def _unreadable(request: Request, problem: Exception) -> Response:
    """What is wrong, by place; never the value, which may be a name."""
    assert isinstance(problem, RequestValidationError)
    told = "; ".join(f"{'.'.join(map(str, error['loc'][1:])) or 'the body'}: {error['msg']}" for error in problem.errors())
    return _answer(request, 422, Problem(error=told))


def _refused(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)
    words = {404: "there is no such page.", 405: "that can not be done here."}
    return _answer(request, problem.status_code, Problem(error=words.get(problem.status_code, "the request was refused.")))


def _fault(request: Request, problem: Exception) -> Response:
    # The text of an unforeseen error could hold data.
    log.error("unforeseen fault", path=request.url.path, error=type(problem).__name__, exc_info=problem)
    return _answer(request, 500, Problem(error="this is a fault in syncd.", advice="The service's log says where; please report it."))
