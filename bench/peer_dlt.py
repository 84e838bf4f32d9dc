"""The same pulls by dlt: merged on `sourcedId` into PostgreSQL, set up as its own guide to performance says.

Whole pages are yielded, decoded by orjson; nested lists stay JSON, so that there are no child tables; nothing guesses at types; files go
in by COPY; two workers normalize; rows are merged by one MERGE a table. With `arrow` each page is made an Arrow table here, its nested
parts as text, which spares dlt the walk through every record: quicker, and more of it is the caller's own work.
"""

import os
from collections.abc import Iterator
from typing import Any

import dlt
import orjson
import requests
from dlt.destinations import postgres

from bench.child import answer, orders, timed
from bench.district import KINDS, PAGE

SETTINGS = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
    "EXTRACT__DATA_WRITER__BUFFER_MAX_ITEMS": "20000",
    "NORMALIZE__DATA_WRITER__BUFFER_MAX_ITEMS": "20000",
    # Several files, or the second worker has nothing to do.
    "EXTRACT__DATA_WRITER__FILE_MAX_ITEMS": "100000",
    "NORMALIZE__WORKERS": "2",
}


Records = list[dict[str, Any]]


def _as_arrow(records: Records) -> Any:
    # Only here: whoever goes without is not to pay for its memory.
    import pyarrow as pa

    for record in records:
        for name, value in record.items():
            if isinstance(value, dict | list):
                record[name] = orjson.dumps(value).decode()
    return pa.Table.from_pylist(records)


def _pages(url: str, name: str, *, arrow: bool) -> Iterator[Any]:
    offset = 0
    with requests.Session() as session:
        while True:
            params: dict[str, Any] = {"limit": PAGE, "offset": offset, "sort": "sourcedId", "orderBy": "asc"}
            page = session.get(f"{url}/{name}", params=params)
            records = orjson.loads(page.content)[name]
            yield _as_arrow(records) if arrow else records
            offset += PAGE
            if offset >= int(page.headers["X-Total-Count"]):
                return


@dlt.source(max_table_nesting=0)
def district(url: str, arrow: bool) -> Any:
    """The six lists."""
    schema = dlt.current.source_schema()
    for detection in list(schema.settings.get("detections") or ()):
        schema.remove_type_detection(detection)
    for name in KINDS:
        merged: Any = {"disposition": "merge", "strategy": "upsert"}
        yield dlt.resource(_pages(url, name, arrow=arrow), name=name, primary_key="sourcedId", write_disposition=merged)


def _counts(pipeline: Any) -> dict[str, int]:
    """How many records each table holds."""
    named = pipeline.default_schema.naming.normalize_table_identifier
    with pipeline.sql_client() as client:
        tables = {kind: client.make_qualified_table_name(named(name)) for name, kind in KINDS.items()}
        return {kind: client.execute_sql(f"SELECT count(*) FROM {table}")[0][0] for kind, table in tables.items()}


def main() -> None:
    asked = orders()
    os.environ |= SETTINGS

    def work() -> Any:
        pipeline = dlt.pipeline(
            "bench", pipelines_dir=asked["folder"], destination=postgres(credentials=asked["store"]), dataset_name="bench"
        )
        pipeline.run(district(asked["url"], asked["arrow"]), loader_file_format="csv")
        return pipeline

    pipeline, cost = timed(work)
    answer(**cost, held=_counts(pipeline))


if __name__ == "__main__":
    main()
