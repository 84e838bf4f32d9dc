"""The words of a notice: what happened, to which sources, and what to do next. No person is ever named."""

from dataclasses import dataclass
from typing import NamedTuple

from syncd.notices.rules import Rule
from syncd.notices.telling import RECOVERED, REMIND, Notice

# Sources that are told each by itself: a message is not a list.
MOST = 10


@dataclass(frozen=True, slots=True)
class Message:
    """kind: Apprise's word for how it is shown: info, success, warning or failure."""

    title: str
    body: str
    kind: str


class _Words(NamedTuple):
    """What is said of one source, and of several; how it is shown; what to do next."""

    one: str
    several: str
    kind: str
    advice: str = ""


_WORDS = {
    Rule.FAILING.value: _Words("fails", "fail", "failure", "syncd status tells why, and when it is tried again."),
    Rule.STALE.value: _Words("was not synced for long", "were not synced for long", "failure", "syncd status tells why."),
    Rule.HELD.value: _Words("waits for a person", "wait for a person", "warning"),
    REMIND: _Words("still waits for a person", "still wait for a person", "warning"),
    Rule.EXPIRING.value: _Words("needs new credentials", "need new credentials", "warning", "Ask the provider for new ones in time."),
    Rule.UNDELIVERED.value: _Words(
        "does not take its reports",
        "do not take their reports",
        "warning",
        "syncd notify deliveries lists them; syncd notify retry sends again.",
    ),
    RECOVERED: _Words("is in order again", "are in order again", "success"),
}


def message(notice: Notice, *, console: str | None = None) -> Message:
    """console: the address of the console, where there is one."""
    words = _WORDS[notice.what]
    things = "webhooks" if notice.what == Rule.UNDELIVERED else "sources"
    count = len(notice.names)
    title = f"syncd: {notice.names[0]} {words.one}" if count == 1 else f"syncd: {count} {things} {words.several}"
    lines = notice.lines[:MOST]
    if len(notice.lines) > MOST:
        lines.append(f"… and {len(notice.lines) - MOST} more.")
    lines += [part for part in (words.advice, console and f"See {console}") if part]
    return Message(title, "\n".join(lines), words.kind)


def trial() -> Message:
    """What `syncd notify test` sends."""
    return Message("syncd: a test", "This is how syncd tells you when a source needs somebody. Nothing is wrong.", "info")
