"""Which of a school's own columns is which field: chosen once, remembered by source."""

from collections.abc import Mapping

from sqlalchemy import delete, insert, select

from syncd.store.engine import Store
from syncd.store.tables import matched


def of(store: Store, source: str) -> dict[str, str]:
    """{column in small letters: field}."""
    with store.read() as connection:
        rows = connection.execute(select(matched.c.column, matched.c.field).where(matched.c.source == source))
        return {row.column: row.field for row in rows}


def remember(store: Store, source: str, chosen: Mapping[str, str]) -> None:
    """Keep what was chosen of these columns; of others stays what was."""
    small = {column.lower(): field for column, field in chosen.items()}
    if not small or small.items() <= of(store, source).items():
        return
    with store.write() as connection:
        connection.execute(delete(matched).where(matched.c.source == source, matched.c.column.in_(small)))
        connection.execute(insert(matched), [{"source": source, "column": column, "field": field} for column, field in small.items()])
