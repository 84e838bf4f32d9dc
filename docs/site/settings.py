"""The tables of docs/configuration.md, out of the models that read the file: `make fix` writes them anew.

A table stands between `<!-- keys: NAME -->` and `<!-- end of keys -->`; all around it is written by hand. The names are those of the file's
own tables, as in `[sources.NAME.guard]`. A key's meaning is its description, the text below its field, or what the docstring says of it.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from syncd.contract import discovery
from syncd.secret import Secret
from syncd.settings import form
from syncd.settings.file import FileSettings
from syncd.settings.guard import Limit
from syncd.settings.notices import SourceNoticeSettings
from syncd.settings.schedule import Schedule
from syncd.settings.source import SourceSettings

PAGE = Path("docs/configuration.md")
KEYS = re.compile(r"(<!-- keys: (.+?) -->\n).*?(<!-- end of keys -->)", re.DOTALL)
WORDS: dict[Any, str] = {
    str: "text",
    int: "whole number",
    bool: "`true` or `false`",
    date: "day",
    Path: "path",
    timedelta: "time, or `false`",
    dict[str, Literal["viewer", "operator", "admin"]]: "table",
    Path | None: "path",
    Secret: "secret",
    Schedule: "schedule",
    Limit: "limit",
    IPv4Network | IPv6Network: "network",
}


def tables() -> dict[str, type[BaseModel]]:
    """{name of a table in the file: its model}, in the file's order. A model that stands in several places is told once."""
    found: dict[str, type[BaseModel]] = {}
    for name, model in (("the file", FileSettings), ("[sources.NAME]", SourceSettings)):
        for own, inner in _within(name, model):
            # What a source may say of notices is what the file may.
            if inner not in found.values() and inner is not SourceNoticeSettings:
                found[own] = inner
    own = {name: discovery.find(name).settings_model for name in discovery.names()}
    return found | {f'connector = "{name}"': model for name, model in own.items()}


def _within(name: str, model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    yield name, model
    inner = {}
    for field, info in model.model_fields.items():
        if (found := _model(info.annotation)) is not None:
            inner[f"{field}.NAME" if get_origin(info.annotation) is dict else field] = found
    same = Counter(inner.values())
    above = "" if model is FileSettings else f"{name.strip('[]')}."
    for field, found in inner.items():
        yield from _within(f"[{above}{field if same[found] == 1 else 'KIND'}]", found)


def table(model: type[BaseModel]) -> str:
    """The keys of a model as a Markdown table, tables within it excepted."""
    meanings = form.told(model)
    rows = ["| key | takes | default | what it is |", "| --- | --- | --- | --- |"]
    for name, info in model.model_fields.items():
        if model is FileSettings and name == "sources" or _model(info.annotation) is not None:
            continue
        if not meanings.get(name):
            raise LookupError(f"{model.__name__}.{name}: nothing says what it is.")
        meaning = " ".join(meanings[name].split())
        rows.append(f"| `{info.alias or name}` | {_takes(info)} | {_default(info)} | {meaning[:1].upper()}{meaning[1:]} |")
    return "\n".join(rows) + "\n"


def filled(page: str) -> str:
    """The page with each of its tables anew. Raises KeyError for a table that there is not."""
    found = tables()
    return KEYS.sub(lambda match: f"{match[1]}{table(found[match[2]])}{match[3]}", page)


def _plain(annotation: Any) -> tuple[Any, list[Any]]:
    """A type without `None` and `Annotated`, and what was annotated."""
    if get_origin(annotation) is Annotated:
        inner, *marks = get_args(annotation)
        plain, more = _plain(inner)
        return plain, [*marks, *more]
    if get_origin(annotation) in (Union, UnionType):
        inner = [part for part in get_args(annotation) if part is not NoneType]
        if len(inner) == 1:
            return _plain(inner[0])
    return annotation, []


def _model(annotation: Any) -> type[BaseModel] | None:
    plain, _ = _plain(annotation)
    if get_origin(plain) is dict:
        plain, _ = _plain(get_args(plain)[1])
    return plain if isinstance(plain, type) and issubclass(plain, BaseModel) else None


def _takes(info: FieldInfo) -> str:
    plain, marks = _plain(info.annotation)
    if get_origin(plain) is Literal:
        return ", ".join(map(_written, get_args(plain)))
    if get_origin(plain) in (Union, UnionType):
        return " or ".join(WORDS[_plain(part)[0]] for part in get_args(plain))
    if get_origin(plain) is tuple:
        return f"list of {WORDS[_plain(get_args(plain)[0])[0]]}s"
    if plain not in WORDS:
        raise LookupError(f"docs/site/settings.py has no word for {plain}.")
    limits = [part for mark in (*info.metadata, *marks) for part in (mark.metadata if isinstance(mark, FieldInfo) else [mark])]
    least = next((limit.ge for limit in limits if hasattr(limit, "ge")), None)
    most = next((limit.le for limit in limits if hasattr(limit, "le")), None)
    bounds = "" if least is None else f", {least:,} or more" if most is None else f", {least:,} to {most:,}"
    return WORDS[plain] + bounds


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "must be there"
    value = info.get_default(call_default_factory=True, validated_data={})
    return "" if value in (None, (), {}) else _written(value)


def _written(value: Any) -> str:
    """A value as it is written in the file."""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, timedelta):
        return f'`"{value.days} day{"s" if value.days > 1 else ""}"`'
    if isinstance(value, tuple):
        return f"`[{', '.join(_written(part).strip('`') for part in value)}]`"
    return f"`{value}`" if isinstance(value, int) else f'`"{value.text if isinstance(value, Schedule) else value}"`'


if __name__ == "__main__":
    before = PAGE.read_text(encoding="utf-8")
    after = filled(before)
    PAGE.write_text(after, encoding="utf-8")
    sys.stderr.write(f"{PAGE}: {'written anew' if before != after else 'as it was'}\n")
