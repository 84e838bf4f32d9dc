"""Whether it is alive, and whether it can do its work: for a service manager, a load balancer, a monitor."""

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from syncd.console.who import Here, Viewer
from syncd.errors import SyncdError
from syncd.metrics import CONTENT_TYPE, exposition
from syncd.store import members

router = APIRouter()


@router.get("/healthz")
def healthz() -> Response:
    """The console answers."""
    return PlainTextResponse("alive\n")


@router.get("/readyz")
def readyz(site: Here) -> Response:
    """The store can be reached, and somebody looks for what is due."""
    try:
        scheduled = members.serving(site.store, site.silence)
        told = {"store": True, "scheduler": scheduled}
    except SyncdError:
        told = {"store": False, "scheduler": False}
    return JSONResponse(told, 200 if all(told.values()) else 503)


@router.get("/metrics")
def metrics(site: Here, who: Viewer) -> Response:
    """For Prometheus: counts and times, by source."""
    return Response(exposition(site.store, site.settings), media_type=CONTENT_TYPE)
