"""What is so of the sources that people may want to know: facts, as the store and the configuration have them at this moment.

Whether anybody was told already is left to `telling.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from syncd.notices import expiry
from syncd.observe.logs import clean
from syncd.report import RunReport
from syncd.settings.file import Settings
from syncd.settings.notices import NoticeSettings
from syncd.settings.source import Source
from syncd.store import Store, deliveries, runs, standing
from syncd.store.deliveries import Channel
from syncd.store.notices import Key
from syncd.store.standing import Standing
from syncd.words import ago, held_sentence

# Letters of a run's error: the host and the status stand first.
LONGEST = 300
MOST_RUNS = 3


class Rule(StrEnum):
    """failing: so many runs in a row failed. stale: no good pull for long. held: something waits for a person. expiring: credentials end
    soon, or have ended. undelivered: reports for a webhook were given up."""

    FAILING = "failing"
    STALE = "stale"
    HELD = "held"
    EXPIRING = "expiring"
    UNDELIVERED = "undelivered"


# Those whose end is told.
RECOVERS = (Rule.FAILING, Rule.STALE)


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that is so. amount: how much. line: for people: counts, runs, schools; never a person. ripe: worth telling by itself; what
    is not is told along with others of its rule. after: only once it has been so for that long."""

    key: Key
    amount: int
    line: str
    ripe: bool = True
    after: timedelta = timedelta()

    @property
    def rule(self) -> Rule:
        return Rule(self.key.rule)


def facts(store: Store, settings: Settings, at: datetime, *, settled: bool = True) -> list[Fact]:
    """All that is so and that somebody wants to know. settled: whether the daemon has run long enough to have made up for the time in which
    it did not."""
    policies = {name: settings.notices(name) for name in settings.sources}
    policies = {name: policy for name, policy in policies.items() if policy.to}
    found: list[Fact] = []
    if policies:
        stands, zone = standing.of_all(store), ZoneInfo(settings.timezone)
        for name, policy in policies.items():
            source, how = settings.sources[name], stands.get(name, Standing(None, []))
            if source.common.enabled:
                found += _failing(name, how, policy)
                found += _stale(source, how, policy, at, settings.timezone) if settled else ()
            found += _expiring(source, policy, at, zone)
        found += _held(store, policies)
    own = settings.notices()
    if own.to and own.undelivered:
        found += _undelivered(store, settings)
    return found


def _failing(name: str, how: Standing, policy: NoticeSettings) -> Iterator[Fact]:
    failures = how.failures
    if policy.failures is not None and failures:
        count, last = len(failures), failures[0]
        told = f"{count} runs in a row failed" if count > 1 else "its last run failed"
        since = f"the last good sync was {ago(how.good.finished_at)}" if how.good else "it was never synced"
        line = f"{name}: {told}; {since}. Run {last.run}: {_why(last)}"
        yield Fact(Key(name, Rule.FAILING, ""), count, line, ripe=count >= policy.failures)


def _why(report: RunReport) -> str:
    """A run's error, which names hosts, ids and counts, in one line."""
    told = " ".join((report.error or "").split()).removeprefix(f"{report.source}: ")
    return clean(told if len(told) <= LONGEST else f"{told[:LONGEST]}…")


def _stale(source: Source, how: Standing, policy: NoticeSettings, at: datetime, timezone: str) -> Iterator[Fact]:
    """By when the next pull after the last good one was due, so that nobody misses one on a day that has none."""
    if policy.stale is None:
        return
    key = Key(source.name, Rule.STALE, "")
    if how.good is None:
        yield Fact(key, 0, f"{source.name}: no sync has come to a good end yet.", after=policy.stale)
        return
    last = how.good.finished_at
    due = source.common.schedule.next(last, last, timezone)
    if at >= due + policy.stale:
        yield Fact(key, 0, f"{source.name}: the last good sync was {ago(last)} (run {how.good.run}).")


def _held(store: Store, policies: dict[str, NoticeSettings]) -> Iterator[Fact]:
    """A fact for each rule that holds something of a kind: a hold that a newer pull makes anew is the same to people."""
    waiting: dict[str, list[RunReport]] = {}
    for report in runs.held_now(store):
        if report.source in policies and policies[report.source].held:
            waiting.setdefault(report.source, []).append(report)
    for name, reports in waiting.items():
        line, amounts = "\n".join(_shown(reports)), dict[str, int]()
        for held in (held for report in reports for held in report.held):
            about = f"{held.kind} {held.action} {held.rule}"
            amounts[about] = amounts.get(about, 0) + held.count
        yield from (Fact(Key(name, Rule.HELD, about), amount, line) for about, amount in amounts.items())


def _shown(reports: list[RunReport]) -> Iterator[str]:
    """The latest of a source's runs that wait: one that pulls often can have many, until a full pull looks at all of it."""
    yield from map(_waits, reports[-MOST_RUNS:])
    if len(reports) > MOST_RUNS:
        yield f"{reports[0].source}: {len(reports) - MOST_RUNS} earlier runs wait too."


def _waits(report: RunReport) -> str:
    # A school's name may hold anything.
    told = clean("; ".join(map(held_sentence, report.held)))
    return (
        f"{report.source}: run {report.run} waits: {told}. What is held: syncd runs show {report.run} --changes. "
        f"If it is right: syncd approve {report.run}; if not: syncd reject {report.run}"
    )


def _expiring(source: Source, policy: NoticeSettings, at: datetime, zone: ZoneInfo) -> Iterator[Fact]:
    if policy.expiring is None:
        return
    for key, until in expiry.ends(source).items():
        what = "its credentials" if key == "expires" else f"what {key} names"
        if until <= at:
            line = f"{source.name}: {what} ended on {until.astimezone(zone):%Y-%m-%d}."
            yield Fact(Key(source.name, Rule.EXPIRING, f"{key} ended"), 0, line)
        elif until <= at + policy.expiring:
            days = max((until - at).days, 1)
            line = f"{source.name}: {what} will end on {until.astimezone(zone):%Y-%m-%d}, in {days} day{'s' if days > 1 else ''}."
            yield Fact(Key(source.name, Rule.EXPIRING, key), 0, line)


def _undelivered(store: Store, settings: Settings) -> Iterator[Fact]:
    for name, count in deliveries.dead(store, Channel.WEBHOOK).items():
        if name in settings.webhooks:
            line = f"webhook {name}: {count} report{'s' if count > 1 else ''} could not be delivered within a day and were given up."
            yield Fact(Key("", Rule.UNDELIVERED, name), count, line)
