"""What reports look like to a person: sentences and tables over the same objects that --json prints."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from syncd.observe.logs import escaped
from syncd.report import Counts, RunReport, State, Trigger
from syncd.roster.kinds import PLURALS
from syncd.store.runs import Change
from syncd.words import because, held_sentence

COLOURS = {
    State.APPLIED: "green",
    State.PLANNED: "cyan",
    State.HELD: "yellow",
    State.FAILED: "red",
    State.RUNNING: "blue",
}

# So many lines of a long list stand under one head.
PIECE = 500
Item = TypeVar("Item")


def in_pieces(items: Iterable[Item], table: Callable[[list[Item]], Table]) -> Iterator[Table]:
    """A long list as one table after the other, each with its head: a table is laid out when all of its rows are there, and a large
    district does not fit into memory."""
    rows = iter(items)
    while piece := list(islice(rows, PIECE)):
        yield table(piece)


def state(value: str) -> Text:
    return Text(value, style=COLOURS.get(State(value), ""))


def asked(report: RunReport) -> str:
    """What a run asked for: everything, what changed, or one school or user."""
    return str(report.scope or report.mode)


def run_summary(report: RunReport, *, whose: bool = False) -> RenderableType:
    """One run: what it was, what became of each kind, what is held or failed, and what to do next. whose: tell who asked for it, too."""
    head = Text.assemble(f"Run {report.run} of {report.source} ({asked(report)}, {report.trigger}): ", state(report.state))
    if report.finished_at:
        seconds = (report.finished_at - report.started_at).total_seconds()
        again = f" ({report.retries} of them again)" if report.retries else ""
        head.append(f" in {seconds:.1f} s, {report.requests} requests{again}, {report.bytes / 1e6:.1f} MB")
    parts: list[RenderableType] = [head]
    if report.files:
        parts.append(Text(f"  Read: {escaped(', '.join(report.files))}."))
    if whose and report.account is not None:
        parts.append(Text(f"  Asked for by {escaped(report.account)}."))
    if report.state != State.FAILED and report.counts:
        parts.append(counts_table(report))
    parts += [Text(f"  not complete: {doubt}; nothing of it was taken for gone", style="yellow") for doubt in report.doubts]
    parts += [Text(f"  held: {held_sentence(held)}", style="yellow") for held in report.held]
    if report.held and report.state == State.HELD:
        parts.append(Text(f"  What is held: syncd runs show {report.run}. {_answers(report)}"))
    if report.settles is not None:
        verb = "Takes back" if report.trigger == Trigger.UNDO else "Applies what was held by"
        parts.append(Text(f"  {verb} run {report.settles}{' (a dry run: nothing is changed)' if report.state == State.PLANNED else ''}."))
        if report.state == State.APPLIED:
            parts.append(Text(f"  To take this back: syncd undo {report.run}"))
    if report.settled_by is None and report.state == State.REJECTED:
        parts.append(Text("  Rejected by a person: what was held is dropped, the rest stands."))
    if report.settled_by is not None:
        words = {State.UNDONE: "Undone", State.APPLIED: "Approved", State.REJECTED: "Superseded"}.get(State(report.state), "Settled")
        parts.append(Text(f"  {words} by run {report.settled_by}."))
    if report.left_out:
        parts.append(Text(f"  Left out: {report.left_out} changes that no longer applied, since the roster has moved on.", style="yellow"))
    if report.linked:
        parts.append(Text(f"  {report.linked} newly linked with the same people of other sources."))
    if report.proposed:
        told = f"{report.proposed} may be the same as people of other sources"
        parts.append(Text(f"  {told}: syncd links --source {report.source} --proposed", style="yellow"))
    confirmed = {kind: counts.confirmed for kind, counts in report.counts.items() if counts.confirmed}
    missing = "were missing from the list, but are there when asked for: they stay"
    if report.scope is not None:
        missing = f"did not come with the {report.scope.kind}, but are there when asked for: they are taken as they are now"
    parts += [Text(f"  {count} {kind} {missing}.", style="yellow") for kind, count in confirmed.items()]
    if report.error:
        parts.append(Text(f"  {report.error}", style="red"))
    if report.quality:
        told = ", ".join(f"{count} {rule}" for rule, count in sorted(report.quality.items()))
        parts.append(Text(f"  What the source sends wrong: {told}. See: syncd quarantine {report.source} --run {report.run}"))
    return Group(*parts)


def _answers(report: RunReport) -> str:
    approve, reject = f"syncd approve {report.run}", f"syncd reject {report.run}"
    if any(report.counts[held.kind].confirmed for held in report.held if held.kind in report.counts and held.rule == "empty"):
        return f"Who was asked for is there, so this looks like a fault of the source: {reject}, and have it mended."
    if any(held.rule == "same-person" for held in report.held):
        return f"To say who is who: {approve} --pair OLD=NEW. If all are other people: {approve}; if it is wrong: {reject}"
    return f"If it is right: {approve}; if not: {reject}"


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


def runs_table(reports: Iterable[RunReport]) -> RenderableType:
    """A line a run, and below them what was held or went wrong: in a column of the table it would be cut into single words."""
    # So narrow that all of it stands side by side on 80 columns.
    table, notes = Table(box=None, padding=(0, 1, 0, 0)), []
    for name in ("run", "source", "state", "mode", "trigger", "started", "changes"):
        table.add_column(name, overflow="fold", justify="right" if name in ("run", "changes") else "left")
    for report in reports:
        started = report.started_at.strftime("%Y-%m-%d %H:%M:%S")
        if report.error or (report.held and report.state == State.HELD):
            notes.append(Text(f"run {report.run}: {report.error or '; '.join(map(held_sentence, report.held))}"))
        table.add_row(
            str(report.run),
            report.source,
            Text("superseded") if report.state == State.REJECTED and report.settled_by else state(report.state),
            Text(asked(report)),
            report.trigger,
            started,
            f"{report.changed:,}",
        )
    return Group(table, *notes)


def held_table(changes: Iterable[dict[str, Any]]) -> Table:
    """What a run holds, by record id, and why each change waits."""
    table = Table(box=None, padding=(0, 2))
    for name in ("kind", "id", "change", "fields", "held because"):
        table.add_column(name, overflow="fold")
    for change in changes:
        table.add_row(change["kind"], Text(change["id"]), change["action"], ", ".join(change["fields"]), because(change["rule"]))
    return table


def changes_table(changes: Iterable[Change]) -> Table:
    """Changes by record id and field names; the values stand in `syncd history`."""
    table = Table(box=None, padding=(0, 2))
    for name in ("kind", "id", "change", "fields"):
        table.add_column(name, overflow="fold")
    for change in changes:
        table.add_row(change.kind, Text(escaped(change.record_id)), change.action, ", ".join(change.fields))
    return table
