"""Looking into JSON columns, which lie in both databases as text and are read by each in its own words."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Connection, Text, case, cast, func, literal, select, type_coerce
from sqlalchemy.dialects.postgresql import JSONB

from syncd.store.columns import canonical


def at(connection: Connection, column: ColumnElement[Any], *path: str | int) -> ColumnElement[Any]:
    """The text at a path of keys and positions: `at(connection, column, "id", 0)`."""
    found: ColumnElement[Any]
    if connection.dialect.name == "sqlite":
        found = func.json_extract(column, "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path))
    else:
        found = cast(column, JSONB)[tuple(map(str, path))].astext
    return found


def names_only(connection: Connection, column: ColumnElement[Any], kept: Collection[str]) -> ColumnElement[Any]:
    """An object with every value null, but for the keys that are kept; null for null."""
    sqlite = connection.dialect.name == "sqlite"
    each = _each(sqlite, column)
    value = case((each.c.key.in_(kept), func.json(each.c.value) if sqlite else each.c.value))
    made = func.json_group_object(each.c.key, value) if sqlite else cast(func.jsonb_object_agg(each.c.key, value), column.type)
    return case((column.is_not(None), select(made).select_from(each).scalar_subquery()))


def has_values(connection: Connection, column: ColumnElement[Any], kept: Collection[str]) -> ColumnElement[bool]:
    """Whether an object has any value but null, the keys that are kept left out."""
    sqlite = connection.dialect.name == "sqlite"
    each = _each(sqlite, column)
    value = each.c.value.is_not(None) if sqlite else func.jsonb_typeof(each.c.value) != "null"
    return select(each.c.key).select_from(each).where(each.c.key.not_in(kept), value).exists()


def listed(connection: Connection, texts: Collection[str]) -> Any:
    """Texts, as a table with the one column `value`."""
    array = canonical(list(texts))
    sqlite = connection.dialect.name == "sqlite"
    return (func.json_each(array) if sqlite else func.jsonb_array_elements_text(cast(literal(array, Text), JSONB))).table_valued("value")


def items(connection: Connection, column: ColumnElement[Any]) -> Any:
    """The texts of a list, as a table with the one column `value`, to be joined to the row's; none for null."""
    sqlite = connection.dialect.name == "sqlite"
    return (func.json_each(column) if sqlite else func.jsonb_array_elements_text(cast(column, JSONB))).table_valued("value")


def holds(connection: Connection, column: ColumnElement[Any], part: str) -> ColumnElement[bool]:
    """Whether a text has a part, letter by letter. (SQLite's LIKE takes a small letter for a large one: of two ids that differ in nothing
    else, either would do for the other.)"""
    text: ColumnElement[Any] = type_coerce(column, Text)
    found = func.instr(text, part) if connection.dialect.name == "sqlite" else func.strpos(text, part)
    return found > 0


def _each(sqlite: bool, column: ColumnElement[Any]) -> Any:
    """The keys and values of an object, as a table."""
    return (func.json_each(column) if sqlite else func.jsonb_each(cast(column, JSONB))).table_valued("key", "value")
