"""What reports look like to a person: sentences and tables over the same objects that --json prints."""

from collections.abc import Iterable
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from syncd.report import Counts, Held, RunReport, State
from syncd.roster.kinds import PLURALS
from syncd.store.runs import Change

COLOURS = {
    State.APPLIED: "green",
    State.PLANNED: "cyan",
    State.HELD: "yellow",
    State.FAILED: "red",
    State.RUNNING: "blue",
}


def state(value: str) -> Text:
    return Text(value, style=COLOURS.get(State(value), ""))


def ago(time: datetime | None) -> str:
    """How long ago, in words."""
    if time is None:
        return "never"
    seconds = int((datetime.now(UTC) - time).total_seconds())
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return f"{max(seconds, 0)} seconds ago"


def held_sentence(held: Held) -> str:
    if held.rule == "empty":
        return f"all {held.count} {held.kind} would be deactivated: the source sent none"
    return f"{held.count} of {held.of} {held.kind} would be deactivated; the limit is {held.limit}"


def run_summary(report: RunReport) -> RenderableType:
    """One run: what it was, what became of each kind, what is held or failed, and what to do next."""
    head = Text.assemble(f"Run {report.run} of {report.source} ({report.mode}, {report.trigger}): ", state(report.state))
    if report.finished_at:
        seconds = (report.finished_at - report.started_at).total_seconds()
        head.append(f" in {seconds:.1f} s, {report.requests} requests, {report.bytes / 1e6:.1f} MB")
    parts: list[RenderableType] = [head]
    if report.state != State.FAILED and report.counts:
        parts.append(counts_table(report))
    parts += [Text(f"  not complete: {doubt}; nothing of it was taken for gone", style="yellow") for doubt in report.doubts]
    parts += [Text(f"  held: {held_sentence(held)}", style="yellow") for held in report.held]
    if report.held and report.state == State.HELD:
        parts.append(Text(f"  If that is right: syncd sync {report.source} --accept-removals"))
    if report.error:
        parts.append(Text(f"  {report.error}", style="red"))
    if any(count.quarantined for count in report.counts.values()):
        parts.append(Text(f"  What could not be used: syncd quarantine {report.source}"))
    return Group(*parts)


def counts_table(report: RunReport) -> Table:
    table = Table(box=None, padding=(0, 1))
    names = ("seen", "created", "updated", "reactivated", "deactivated", "unchanged", "quarantined")
    table.add_column("")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for kind in PLURALS:
        counts = report.counts.get(kind) or Counts()
        table.add_row(kind, *(f"{getattr(counts, name):,}" if getattr(counts, name) else "·" for name in names))
    return table


def runs_table(reports: Iterable[RunReport]) -> Table:
    table = Table(box=None, padding=(0, 2))
    for name in ("run", "source", "state", "mode", "trigger", "started", "changes", ""):
        table.add_column(name, overflow="fold", justify="right" if name in ("run", "changes") else "left")
    for report in reports:
        changed = sum(counts.created + counts.updated + counts.reactivated + counts.deactivated for counts in report.counts.values())
        started = report.started_at.strftime("%Y-%m-%d %H:%M:%S")
        note = report.error or "; ".join(held_sentence(held) for held in report.held)
        table.add_row(
            str(report.run),
            report.source,
            state(report.state),
            report.mode,
            report.trigger,
            started,
            f"{changed:,}",
            Text(note),
        )
    return table


def changes_table(changes: Iterable[Change]) -> Table:
    """Changes by record id and field names; the values stand in `syncd history`."""
    table = Table(box=None, padding=(0, 2))
    for name in ("kind", "id", "change", "fields"):
        table.add_column(name, overflow="fold")
    for change in changes:
        table.add_row(change.kind, Text(change.record_id), change.action, ", ".join(change.fields))
    return table
