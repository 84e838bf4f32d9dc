"""What a person should know of a run or a source, in sentences, most urgent first; and the numbers that charts show."""

from typing import Any, NamedTuple

from syncd.report import RunReport, State, Trigger
from syncd.roster.kinds import PLURALS
from syncd.view.sources import SourceState
from syncd.words import held_sentence

ACTIONS = ("created", "updated", "reactivated", "deactivated")


class Note(NamedTuple):
    """A sentence, and how it is coloured: good, wait, bad or off."""

    text: str
    tone: str


def of_source(state: SourceState) -> list[Note]:
    """What a person should know of a source."""
    notes = []
    if state.latest is not None and state.latest.error:
        notes.append(Note(state.latest.error, "bad"))
    if state.left_alone_until:
        why = "its runs ended the whole process" if state.left_alone_for_crashes else f"its last {state.failures} runs failed"
        notes.append(Note(f"Left alone until {state.left_alone_until:%Y-%m-%d %H:%M} UTC, since {why}; “Sync now” tries at once.", "wait"))
    notes += [Note(f"Not complete: {doubt}; nobody of it is taken for gone.", "wait") for doubt in state.doubts]
    return notes


def of_run(run: RunReport) -> list[Note]:
    """What a person should know of a run."""
    notes = [Note(run.error, "bad")] if run.error else []
    notes += [Note(f"Not complete: {doubt}; nothing of it was taken for gone.", "wait") for doubt in run.doubts]
    notes += [Note(f"Held: {held_sentence(held)}.", "wait") for held in run.held]
    if run.settles is not None:
        notes.append(Note(f"{'Takes back' if run.trigger == Trigger.UNDO else 'Applies what was held by'} run {run.settles}.", "off"))
    if run.settled_by is not None:
        words = {State.UNDONE: "Undone", State.APPLIED: "Approved", State.REJECTED: "Superseded"}.get(State(run.state), "Settled")
        notes.append(Note(f"{words} by run {run.settled_by}.", "off"))
    elif run.state == State.REJECTED:
        notes.append(Note("Rejected by a person: what was held is dropped, the rest stands.", "off"))
    if run.left_out:
        notes.append(Note(f"Left out: {run.left_out:,} changes that no longer applied, since the roster has moved on.", "wait"))
    for kind, counts in run.counts.items():
        if counts.confirmed:
            notes.append(Note(f"{counts.confirmed:,} {kind} were missing from the list, but are there when asked for: they stay.", "wait"))
    if run.linked:
        notes.append(Note(f"{run.linked:,} newly linked with the same people of other sources.", "off"))
    if run.proposed:
        notes.append(Note(f"{run.proposed:,} may be the same as people of other sources.", "wait"))
    return notes


def approval(run: RunReport) -> str:
    """What an approval would do, said before the click."""
    what = "; ".join(map(held_sentence, run.held))
    if any(run.counts[held.kind].confirmed for held in run.held if held.kind in run.counts and held.rule == "empty"):
        return f"{what}. Who was asked for is there, so this looks like a fault of the source: reject it, and have it mended."
    return f"{what}. Approve only if that is right: it is applied as far as the roster still stands where it stood then, and can be undone."


def trend_values(runs: list[RunReport]) -> dict[str, Any]:
    """The last runs, oldest first, for a chart: what each changed, and how it ended."""
    return {
        "runs": [run.run for run in runs],
        "states": [run.state for run in runs],
        "values": {name: [sum(getattr(counts, name) for counts in run.counts.values()) for run in runs] for name in ACTIONS},
    }


def shares(run: RunReport) -> dict[str, Any]:
    """What a run changed, by kind, for a chart."""
    kinds = [kind for kind in PLURALS if kind in run.counts and any(getattr(run.counts[kind], name) for name in ACTIONS)]
    return {"kinds": kinds, "values": {name: [getattr(run.counts[kind], name) for kind in kinds] for name in ACTIONS}}
