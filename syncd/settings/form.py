"""What a guided form asks for: each connector's settings, told by its own model, so that a connector needs no code in the console.

Title, help and what to fold away come from the model's fields (`ConnectorSettings` says how); where a field tells no help of its own, from
the model's docstring, if that says `name: what it is.` Tables in tables come flat, their names joined by a dot.
"""

import ast
import enum
import inspect
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from itertools import pairwise
from textwrap import dedent
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from syncd.contract.connector import Connector
from syncd.secret import Secret
from syncd.settings.guard import Limit
from syncd.settings.schedule import Schedule
from syncd.settings.source import SourceSettings


class Kind(StrEnum):
    """How a field is entered. LIST: texts, one a line. LIMIT: `5%`, `200`, or both."""

    TEXT = "text"
    SECRET = "secret"  # nosec B105  # a kind of field
    CHOICE = "choice"
    FLAG = "flag"
    NUMBER = "number"
    LIST = "list"
    LIMIT = "limit"


@dataclass(frozen=True, slots=True)
class Field:
    """One field. default: as it is shown, None where there is none. choices: of a CHOICE. least, most: of a NUMBER. advanced: fold it away.
    leads: it decides where the secrets are sent. shown_for: {field: values}, of which each must be so for this one to be of use."""

    name: str
    title: str
    help: str
    kind: Kind
    required: bool
    default: Any = None
    choices: tuple[Any, ...] = ()
    least: float | None = None
    most: float | None = None
    advanced: bool = False
    leads: bool = False
    shown_for: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@cache
def form(connector: type[Connector]) -> tuple[Field, ...]:
    """A connector's own fields, in the order of its model."""
    return tuple(_fields(connector.settings_model))


@cache
def common() -> tuple[Field, ...]:
    """The fields that every source has, but for its connector."""
    return tuple(one for one in _fields(SourceSettings) if one.name != "connector")


def read(
    fields: Sequence[Field], entered: Mapping[str, str], before: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], dict[str, str | None]]:
    """(settings as they would stand in the file, secrets) out of what a browser sent, {name: text}. before: the settings until now, of
    which stays what these fields do not ask for.

    What is empty, or as it is anyway, is left out: the default then holds, also when it is another one day. A flag is sent only when it is
    checked. A secret that was left empty is "", and None where `forget.NAME` is checked. What is no number stays as it was entered, to be
    told as a mistake.
    """
    settings: dict[str, Any] = deepcopy(dict(before or {}))
    for one in fields:
        _drop(settings, one.name)
    secrets: dict[str, str | None] = {}
    for one in fields:
        text = entered.get(one.name, "").strip()
        if one.kind == Kind.SECRET:
            secrets[one.name] = None if entered.get(f"forget.{one.name}") else text
        elif one.kind == Kind.FLAG or text:
            value = _value(one, text)
            if value != one.default:
                put(settings, one.name, value)
    return settings, secrets


def put(table: dict[str, Any], name: str, value: Any) -> None:
    """Write a field's value into settings, in its place."""
    *path, last = name.split(".")
    for part in path:
        table = table.setdefault(part, {})
    table[last] = value


def at(table: Mapping[str, Any], name: str) -> Any:
    """A field's value in settings; None when it is not there."""
    found: Any = table
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def leaves(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each value in settings that is no table, with its name."""
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value


def shown(one: Field, settings: Mapping[str, Any]) -> Any:
    """What a field shows of settings, the default where they say nothing: whether a flag is checked, else text. Nothing of a secret."""
    value = at(settings, one.name)
    value = one.default if value is None else value
    match one.kind:
        case Kind.FLAG:
            return bool(value)
        case Kind.SECRET:
            return ""
        case Kind.LIST | Kind.LIMIT if isinstance(value, list):
            return ("\n" if one.kind == Kind.LIST else " or ").join(map(str, value))
    return "" if value is None else str(value)


def _drop(table: dict[str, Any], name: str) -> None:
    first, _, rest = name.partition(".")
    inner = table.get(first)
    if rest and isinstance(inner, dict):
        _drop(inner, rest)
    if not rest or inner == {}:
        table.pop(first, None)


def _value(one: Field, text: str) -> Any:
    match one.kind:
        case Kind.FLAG:
            return bool(text)
        case Kind.NUMBER:
            return _number(text)
        case Kind.LIST:
            return [line.strip() for line in text.splitlines() if line.strip()]
        case Kind.LIMIT:
            return _limit(text)
        case Kind.CHOICE:
            return next((choice for choice in one.choices if str(choice) == text), text)
    return text


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _limit(text: str) -> Any:
    parts = [int(part) if part.isdecimal() else part for part in re.split(r"\s*(?:,|\bor\b)\s*", text)]
    return parts[0] if len(parts) == 1 else parts


def _fields(model: type[BaseModel], prefix: str = "", optional: bool = False, folded: bool = False) -> Iterator[Field]:
    texts = told(model)
    for name, info in model.model_fields.items():
        name, called = info.alias or name, name
        extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
        annotation, choices = _plain(info.annotation)
        advanced = folded or bool(extra.get("advanced"))
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _fields(annotation, f"{prefix}{name}.", optional or not info.is_required(), advanced)
            continue
        kind = _kind(annotation, choices)
        yield Field(
            name=f"{prefix}{name}",
            title=info.title or name.replace("_", " ").capitalize(),
            help=texts.get(called, ""),
            kind=kind,
            required=info.is_required() and not optional,
            default=_shown(info),
            choices=choices,
            least=_bound(info, "ge"),
            most=_bound(info, "le"),
            advanced=advanced,
            leads=bool(extra.get("leads", kind in (Kind.TEXT, Kind.LIST))),
            shown_for={key: tuple(map(str, values)) for key, values in _mapping(extra.get("shown_for")).items()},
        )


def _plain(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """What a field holds when it holds anything, without what is said about it; and the choices, where it has some."""
    while True:
        origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
        if origin is typing.Annotated:
            annotation = parts[0]
        elif origin in (typing.Union, types.UnionType) and len(real := [part for part in parts if part is not type(None)]) == 1:
            annotation = real[0]
        elif origin is typing.Literal:
            return annotation, parts
        elif isinstance(annotation, type) and issubclass(annotation, enum.Enum):
            return annotation, tuple(one.value for one in annotation)
        else:
            return annotation, ()


def _kind(annotation: Any, choices: tuple[Any, ...]) -> Kind:
    if choices:
        return Kind.CHOICE
    if typing.get_origin(annotation) in (tuple, list, set, frozenset):
        return Kind.LIST
    return {Secret: Kind.SECRET, bool: Kind.FLAG, int: Kind.NUMBER, float: Kind.NUMBER, Limit: Kind.LIMIT}.get(annotation, Kind.TEXT)


def _shown(info: FieldInfo) -> Any:
    """A default as one would enter it."""
    value = None if info.is_required() else info.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, Schedule):
        return value.text
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, tuple | list | set | frozenset):
        return [str(part) for part in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _bound(info: FieldInfo, name: str) -> float | None:
    return next((getattr(one, name) for one in info.metadata if hasattr(one, name)), None)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def told(model: type[BaseModel]) -> dict[str, str]:
    """{field: what it is}: its description, the text below it, or what the docstring says, as in `field: what it is.` or `one, other: what
    both are.` (Pydantic can read the texts below fields, too, but would at each start of the program.)"""
    names = "|".join(map(re.escape, model.model_fields))
    together = rf"(?:^|(?<=\s))((?:{names})(?:, (?:{names}))*): "
    parts = re.split(together, " ".join((model.__doc__ or "").split())) if names else []
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    found = {name: text.strip() for several, text in pairs for name in several.split(", ")}
    return found | _below(model) | {name: info.description for name, info in model.model_fields.items() if info.description}


def _below(model: type[BaseModel]) -> dict[str, str]:
    """{field: the text below it}."""
    [written] = ast.parse(dedent(inspect.getsource(model))).body
    assert isinstance(written, ast.ClassDef)
    found = {}
    for above, below in pairwise(written.body):
        match above, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = " ".join(text.split())
    return found
