"""Looking into JSON columns, which lie in both databases as text and are read by each in its own words."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class at(FunctionElement[str]):
    """The text at a path of keys and positions: `at(column, "id", 0)`."""

    inherit_cache = False
    type = Text()

    def __init__(self, column: ColumnElement[Any], *path: str | int) -> None:
        self.path = path
        super().__init__(column)


@compiles(at, "sqlite")
def _at_sqlite(element: at, compiler: SQLCompiler, **options: Any) -> str:
    path = "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in element.path)
    return f"json_extract({compiler.process(element.clauses, **options)}, '{path}')"


@compiles(at, "postgresql")
def _at_postgresql(element: at, compiler: SQLCompiler, **options: Any) -> str:
    path = ",".join(map(str, element.path))
    return f"(CAST({compiler.process(element.clauses, **options)} AS jsonb) #>> '{{{path}}}')"


class names_only(FunctionElement[str]):
    """An object with every value null, but for the keys that are kept: `names_only(column, ("id",))`."""

    inherit_cache = False
    type = Text()

    def __init__(self, column: ColumnElement[Any], kept: Collection[str]) -> None:
        self.kept = ", ".join(f"'{name}'" for name in kept)
        super().__init__(column)


@compiles(names_only, "sqlite")
def _names_sqlite(element: names_only, compiler: SQLCompiler, **options: Any) -> str:
    column = compiler.process(element.clauses, **options)
    kept = f"CASE WHEN key IN ({element.kept}) THEN json(value) END"
    return f"(SELECT json_group_object(key, {kept}) FROM json_each({column}))"  # nosec B608  # names of ours


@compiles(names_only, "postgresql")
def _names_postgresql(element: names_only, compiler: SQLCompiler, **options: Any) -> str:
    column = compiler.process(element.clauses, **options)
    kept = f"CASE WHEN key IN ({element.kept}) THEN value END"
    object_of = f"CAST(jsonb_object_agg(key, {kept}) AS text)"
    return f"(SELECT {object_of} FROM jsonb_each(CAST({column} AS jsonb)))"  # nosec B608  # names of ours


class has_values(FunctionElement[bool]):
    """Whether an object has any value but null, the keys that are kept left out: `has_values(column, ("id",))`."""

    inherit_cache = False
    type = Boolean()

    def __init__(self, column: ColumnElement[Any], kept: Collection[str]) -> None:
        self.kept = ", ".join(f"'{name}'" for name in kept)
        super().__init__(column)


@compiles(has_values, "sqlite")
def _values_sqlite(element: has_values, compiler: SQLCompiler, **options: Any) -> str:
    column = compiler.process(element.clauses, **options)
    told = f"key NOT IN ({element.kept}) AND type != 'null'"
    return f"EXISTS (SELECT 1 FROM json_each({column}) WHERE {told})"  # nosec B608  # names of ours


@compiles(has_values, "postgresql")
def _values_postgresql(element: has_values, compiler: SQLCompiler, **options: Any) -> str:
    column = compiler.process(element.clauses, **options)
    told = f"key NOT IN ({element.kept}) AND value != CAST('null' AS jsonb)"
    return f"EXISTS (SELECT 1 FROM jsonb_each(CAST({column} AS jsonb)) WHERE {told})"  # nosec B608  # names of ours
