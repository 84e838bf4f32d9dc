"""What is measured, what it must reach, and the table that says so."""

import os
import platform
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

DOCUMENT = Path("docs/performance.md")
PACKAGES = ("requests", "msgspec", "sqlalchemy", "psycopg")


@dataclass(frozen=True)
class Measure:
    """One row of the table. passes: how many times it was measured; figures are medians."""

    name: str
    target: str
    result: str
    ratio: str
    reached: bool
    passes: int


def of_floor(name: str, taken: list[float], floor: list[float], letter: str, limit: float, cpu: tuple[list[float], list[float]]) -> Measure:
    """How many times a floor it takes; at most `limit`. Pass by pass, and then the median: a slow minute of the machine hits both sides.

    cpu: seconds of the processor, of both: they tell how busy the machine was with other things.
    """
    ratios = [ours / least for ours, least in zip(taken, floor, strict=True)]
    result = f"{_seconds(taken)} (CPU {_seconds(cpu[0])}), {letter} {_seconds(floor)} (CPU {_seconds(cpu[1])})"
    return Measure(name, f"≤ {limit:g} {letter}", result, f"{_spread(ratios)} {letter}", median(ratios) <= limit, len(ratios))


def times(name: str, peer: list[float], ours: list[float], called: str, limit: float) -> Measure:
    """How many times as long a peer takes; at least `limit`."""
    ratios = [theirs / own for theirs, own in zip(peer, ours, strict=True)]
    result = f"{_seconds(ours)}, {called} {_seconds(peer)}"
    return Measure(name, f"≥ {limit:g} ×", result, f"{_spread(ratios)} ×", median(ratios) >= limit, len(ratios))


def _spread(ratios: list[float]) -> str:
    return f"{median(ratios):.2f}" + (f" ({min(ratios):.2f}–{max(ratios):.2f})" if len(ratios) > 1 else "")


def _seconds(values: list[float]) -> str:
    return f"{median(values):.3g} s"


def table(measures: Iterable[Measure]) -> str:
    """The measures as a table in Markdown."""
    lines = ["| measure | target | result | ratio | reached | n |", "| --- | --- | --- | --- | --- | --- |"]
    for one in measures:
        reached = "yes" if one.reached else "**no**"
        lines.append(f"| {one.name} | {one.target} | {one.result} | {one.ratio or '–'} | {reached} | {one.passes} |")
    return "\n".join(lines)


def machine(postgresql: str | None, peers: Iterable[str]) -> str:
    """What it was measured on."""
    found = [f"{name} {version(name)}" for name in (*PACKAGES, *peers)]
    databases = f"SQLite {sqlite3.sqlite_version}" + (f", PostgreSQL {postgresql}" if postgresql else "")
    return f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, {databases}; {', '.join(found)}."


def keep(section: str, text: str, document: Path = DOCUMENT) -> None:
    """Put a text between the two markers of a section of the page. Raises SystemExit when they are not there."""
    begin, end = f"<!-- {section}: begin -->", f"<!-- {section}: end -->"
    before, found, rest = document.read_text(encoding="utf-8").partition(begin)
    _, also_found, after = rest.partition(end)
    if not found or not also_found:
        raise SystemExit(f"{document} has no place for what was measured: {begin} … {end}")
    document.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
