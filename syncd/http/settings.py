"""Settings that whoever is asked over HTTP has in common."""

from typing import Annotated

from pydantic import AfterValidator, Field

from syncd.contract.connector import ADVANCED
from syncd.http.session import is_safe

NOT_SAFE = "must begin with https:// (plain http only for this very machine)"


def _safe(value: str) -> str:
    if not is_safe(value):
        raise ValueError(NOT_SAFE)
    return value


def _bare(value: str) -> str:
    return value.removesuffix("/")


# To which credentials may be sent; Base: to which something is added.
Address = Annotated[str, AfterValidator(_safe)]
Base = Annotated[Address, AfterValidator(_bare)]
CaFile = Annotated[
    str | None,
    Field(
        title="Certificate authority",
        description="A file on the server with the certificates to trust, where the district has an authority of its own.",
        json_schema_extra=ADVANCED,
    ),
]
Proxy = Annotated[
    str | None,
    Field(
        title="Proxy",
        description="The address of a proxy that leads there, as in http://proxy.example.org:3128.",
        json_schema_extra=ADVANCED,
    ),
]
