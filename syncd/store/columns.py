"""How values lie in columns: JSON as canonical text (so that equal values are equal text), times as UTC."""

import unicodedata
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import DateTime, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator


def canonical(value: Any) -> str:
    """JSON text with sorted keys and no spaces: the same value is always the same text."""
    return msgspec.json.encode(value, order="sorted").decode()


def folded(value: str) -> str:
    """Text as it is compared where case does not matter. In SQL: `func.folded`."""
    return unicodedata.normalize("NFC", value).casefold()


class JsonText(TypeDecorator[Any]):
    """A JSON value as canonical text; None is NULL."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else canonical(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else msgspec.json.decode(value)


class UtcTime(TypeDecorator[datetime]):
    """An aware time, kept in UTC. A naive one is refused: nobody could say what it means."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
