"""A Sphinx extension: where docs/api.md says `<!-- openapi -->`, a reference of the HTTP API, out of the OpenAPI document of its app.

The document is made by FastAPI from the app's own functions and models, so that the reference can not differ from what is served. Headings,
tables and links in Markdown are all that it needs: no script, and readable on a phone.
"""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from sphinx.application import Sphinx

MARK = "<!-- openapi -->"
METHODS = ("get", "post", "put", "patch", "delete")
Node = dict[str, Any]


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx. `openapi_app` in conf.py is "module:name" of a FastAPI app; when it is empty, the mark stands for nothing."""
    app.add_config_value("openapi_app", "", "env", str)
    app.connect("source-read", _fill)
    return {"parallel_read_safe": True}


def _fill(app: Sphinx, _docname: str, source: list[str]) -> None:
    if MARK in source[0] and app.config.openapi_app:
        module, _, name = app.config.openapi_app.partition(":")
        source[0] = source[0].replace(MARK, reference(getattr(import_module(module), name).openapi()))


def reference(document: Node) -> str:
    """An OpenAPI 3.1 document as Markdown: the operations by their tag, then the objects that they send and answer."""
    by_tag: dict[str, list[str]] = {}
    for path, item in document.get("paths", {}).items():
        for method in METHODS:
            if method in item:
                tag = (item[method].get("tags") or ["Operations"])[0]
                by_tag.setdefault(tag, []).append("\n".join(_operation(method, path, item[method])))
    lines = [part for tag, operations in by_tag.items() for part in (f"## {tag[:1].upper()}{tag[1:]}", *operations)]
    objects = document.get("components", {}).get("schemas", {})
    if objects:
        lines += ["## Objects", *("\n".join(_object(name, schema)) for name, schema in sorted(objects.items()))]
    return "\n\n".join(lines)


def _operation(method: str, path: str, operation: Node) -> Iterator[str]:
    yield f"### `{method.upper()} {path}`\n"
    told = operation.get("description") or operation.get("summary")
    if told:
        yield f"{told}\n"
    if operation.get("parameters"):
        yield "| parameter | in | takes | what it is |\n| --- | --- | --- | --- |"
        for parameter in operation["parameters"]:
            must = "" if parameter.get("required") else ", optional"
            schema = parameter.get("schema", {})
            what = _cell(parameter.get("description") or schema.get("description") or "")
            yield f"| `{parameter['name']}` | {parameter['in']} | {_type(schema)}{must} | {what} |"
        yield ""
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"Send: {_type(content.get('schema', {}))} (`{kind}`)\n"
    yield "| answer | what it is | body |\n| --- | --- | --- |"
    for status, answer in operation.get("responses", {}).items():
        bodies = ", ".join(_type(content["schema"]) for content in answer.get("content", {}).values() if content.get("schema"))
        yield f"| {status} | {_cell(answer.get('description', ''))} | {bodies} |"


def _object(name: str, schema: Node) -> Iterator[str]:
    # A target of its own: a heading above may have the same name.
    yield f"(object-{name.lower()})=\n### {name}\n"
    if schema.get("description"):
        yield f"{schema['description']}\n"
    if "properties" not in schema:
        yield _type(schema)
        return
    yield "| field | is | what it is |\n| --- | --- | --- |"
    for field, inner in schema["properties"].items():
        must = "" if field in schema.get("required", ()) or "default" in inner else ", optional"
        yield f"| `{field}` | {_type(inner)}{must} | {_cell(inner.get('description', ''))} |"


def _type(schema: Node) -> str:
    """A schema in a few words, with links to the objects in it."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#object-{name.lower()})"
    for word in ("anyOf", "oneOf", "allOf"):
        if word in schema:
            return " or ".join(dict.fromkeys(map(_type, schema[word])))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = schema.get("type", "anything")
    if isinstance(kind, list):
        return " or ".join(kind)
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'])}"
    return f"{kind} ({schema['format']})" if "format" in schema else str(kind)


def _cell(text: str) -> str:
    """Text that fits into a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")
