"""The API's app without a store behind it: for its OpenAPI document alone."""

from types import SimpleNamespace
from typing import Any, cast

from syncd.console.app import make_app
from syncd.settings.console import ConsoleSettings

site: Any = SimpleNamespace(console=ConsoleSettings())
app = make_app(cast(Any, site))
