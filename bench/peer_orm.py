"""The same pulls by a script as many have one: record by record through the ORM; get, then add or set. It deactivates nobody."""

from typing import Any

import requests
from sqlalchemy import Text, create_engine
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column

from bench.child import answer, orders, timed
from bench.district import PAGE
from bench.floor import TYPES


class Base(DeclarativeBase):
    pass


def _model(name: str, fields: tuple[str, ...]) -> Any:
    columns = {field: mapped_column(Text, primary_key=field == "sourcedId") for field in fields}
    return type(name, (Base,), {"__tablename__": name, **columns})


MODELS = {name: _model(name, kind.__struct_encode_fields__) for name, (kind, _) in TYPES.items()}


def _value(sent: Any) -> Any:
    if isinstance(sent, dict):
        return sent["sourcedId"]
    if isinstance(sent, list):
        return ",".join(one.get("sourcedId") or one["identifier"] if isinstance(one, dict) else one for one in sent)
    return sent


def _merge(session: Session, model: Any, record: dict[str, Any]) -> None:
    values = {column.key: _value(record[column.key]) for column in model.__table__.columns}
    held = session.get(model, record["sourcedId"])
    if held is None:
        session.add(model(**values))
        return
    for name, value in values.items():
        setattr(held, name, value)


def merge(url: str, store: str) -> None:
    """All lists, page by page; a page is a transaction."""
    engine = create_engine(store)
    Base.metadata.create_all(engine)
    with requests.Session() as source, Session(engine) as session:
        for name, model in MODELS.items():
            offset, total = 0, 1
            while offset < total:
                params: dict[str, Any] = {"limit": PAGE, "offset": offset, "sort": "sourcedId", "orderBy": "asc"}
                page = source.get(f"{url}/{name}", params=params)
                for record in page.json()[name]:
                    _merge(session, model, record)
                session.commit()
                session.expunge_all()
                offset, total = offset + PAGE, int(page.headers["X-Total-Count"])
    engine.dispose()


def main() -> None:
    asked = orders()
    answer(**timed(lambda: merge(asked["url"], asked["store"]))[1])


if __name__ == "__main__":
    main()
