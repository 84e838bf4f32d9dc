"""Empty import templates to download, for schools to fill in."""

import io
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Response

from syncd.console.who import Viewer
from syncd.files import blank
from syncd.files.templates import Kind

router = APIRouter()

_TYPES = {"csv": "text/csv", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}


@router.get("/templates/{kind}.{format}")
def template(who: Viewer, kind: Annotated[Kind, Path()], format: Literal["csv", "xlsx"]) -> Response:
    """An empty template. It has nobody's data in it."""
    held = io.BytesIO()
    blank.write(kind.value, held, xlsx=format == "xlsx")
    return Response(
        held.getvalue(), media_type=_TYPES[format], headers={"Content-Disposition": f'attachment; filename="{kind.value}.{format}"'}
    )
