"""Connectors are found by the entry-point group `syncd.connectors`; no connector is named here.

A connector is code that runs with all that syncd may do: whoever installs one trusts it, as with anything that pip installs. So the daemon
says at its start which there are, and from which package each comes.
"""

from functools import cache
from importlib.metadata import entry_points

from syncd.contract.connector import Connector
from syncd.errors import ConfigError

GROUP = "syncd.connectors"


def names() -> list[str]:
    """The connectors that are installed."""
    return sorted({point.name for point in entry_points(group=GROUP)})


@cache
def installed() -> tuple[tuple[str, str], ...]:
    """(name, package and version and place) of each connector that is installed, by name. What is installed over it later counts from the
    next start on, as its code does."""
    found = [(point.name, point.value, point.dist) for point in entry_points(group=GROUP)]
    return tuple(sorted((name, f"{dist.name} {dist.version}, {value}" if dist else value) for name, value, dist in found))


@cache
def find(name: str) -> type[Connector]:
    """The connector's class. Raises ConfigError when none of that name is installed, or it can not be loaded."""
    for point in entry_points(group=GROUP):
        if point.name == name:
            try:
                found = point.load()
            except Exception as problem:
                raise ConfigError(
                    f"connector {name} ({point.value}) can not be loaded: {type(problem).__name__}. Is it installed whole?"
                ) from problem
            if not (isinstance(found, type) and issubclass(found, Connector)):
                raise ConfigError(f"connector {name} ({point.value}) is not a syncd.contract.connector.Connector.")
            return found
    raise ConfigError(f"there is no connector {name!r}; installed are: {', '.join(names())}")
