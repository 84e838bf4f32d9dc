"""Who is told what, and when: each thing once until it changes, and many of a kind together.

- When one source fails, or is stale, all that fail are told with it: one provider that is down is one notice, however many sources it has.
- After a notice, the next of its rule waits a quarter of an hour for others that come.
- What is held and grows to more than twice what was told is told anew; what still waits after some days is told once more.
- The end is told when all that was told has ended, or when others go on for long.

Pure: it takes facts and what was told before, and gives what to tell and what to keep.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from syncd.notices.rules import RECOVERS, Fact, Rule
from syncd.settings.notices import NoticeSettings
from syncd.store.notices import Kept, Key

# Between two notices of a rule.
QUIET = timedelta(minutes=15)
GROWN = 2
REMIND, RECOVERED = "remind", "recovered"


@dataclass(frozen=True, slots=True)
class Notice:
    """What is told at once. what: a rule, `remind` or `recovered`. names: of the sources, or of webhooks. lines: for people."""

    what: str
    names: list[str]
    lines: list[str]


@dataclass
class Told:
    """What comes of a look: what to tell, what to keep from now on, and what is over."""

    notices: list[Notice] = field(default_factory=list)
    changed: dict[Key, Kept] = field(default_factory=dict)
    gone: set[Key] = field(default_factory=set)


def tell(facts: Iterable[Fact], kept: Mapping[Key, Kept], policy_of: Callable[[str], NoticeSettings], at: datetime) -> Told:
    """For people who are told of the same sources. facts: what is so. kept: what was so before. policy_of: a source's settings."""
    now, told = {fact.key: fact for fact in facts}, Told()
    rows = {key: row._replace(over_at=None) if row.over_at and key in now else row for key, row in kept.items()}
    rows |= {key: Kept(at, fact.amount) for key, fact in now.items() if fact.ripe and key not in rows}
    for key in rows.keys() - now.keys():
        if rows[key].told_at is not None and key.rule in RECOVERS and policy_of(key.source).recovered:
            rows[key] = rows[key] if rows[key].over_at else rows[key]._replace(over_at=at)
        else:
            del rows[key]
    for rule in Rule:
        of_rule = {key: fact for key, fact in now.items() if fact.rule is rule}
        _begun(rule, of_rule, rows, at, told)
        _reminded(of_rule, rows, policy_of, at, told)
    _ended(now, rows, at, told)
    told.changed = {key: row for key, row in rows.items() if kept.get(key) != row}
    told.gone = set(kept.keys() - rows.keys())
    return told


def _begun(rule: Rule, facts: Mapping[Key, Fact], rows: dict[Key, Kept], at: datetime, told: Told) -> None:
    """What is new, or has grown."""

    def is_news(fact: Fact) -> bool:
        row = rows.get(fact.key)
        if row is None or not fact.ripe or at - row.since < fact.after:
            return False
        return row.told_at is None or (rule not in RECOVERS and fact.amount > GROWN * row.amount)

    news = [key for key, fact in facts.items() if is_news(fact)]
    if not news or any(row.told_at and timedelta() <= at - row.told_at < QUIET for key, row in rows.items() if key.rule == rule):
        return
    if rule is Rule.FAILING:
        news += [key for key in facts if key not in news and (key not in rows or rows[key].told_at is None)]
    for key in news:
        rows[key] = rows.get(key, Kept(at, 0))._replace(amount=facts[key].amount, told_at=at, reminded_at=None)
    told.notices.append(_notice(rule.value, [facts[key] for key in news]))


def _reminded(
    facts: Mapping[Key, Fact], rows: dict[Key, Kept], policy_of: Callable[[str], NoticeSettings], at: datetime, told: Told
) -> None:
    """What was told, and still waits for a person."""
    again = []
    for key in facts:
        row, remind = rows.get(key), policy_of(key.source).remind
        if key.rule == Rule.HELD and remind and row and row.told_at and not row.reminded_at and at - row.told_at >= remind:
            rows[key] = row._replace(reminded_at=at)
            again.append(facts[key])
    if again:
        told.notices.append(_notice(REMIND, again))


def _ended(facts: Mapping[Key, Fact], rows: dict[Key, Kept], at: datetime, told: Told) -> None:
    """Sources that were told to be in trouble and are in order again."""
    troubled = {key.source for key, row in rows.items() if key.rule in RECOVERS and key in facts and row.told_at}
    over = {key: row.over_at for key, row in rows.items() if row.over_at and key.source not in troubled}
    if not over or (troubled and at - min(over.values()) < QUIET):
        return
    for key in over:
        del rows[key]
    names = sorted({key.source for key in over})
    told.notices.append(Notice(RECOVERED, names, [f"{name}: syncs again." for name in names]))


def _notice(what: str, facts: list[Fact]) -> Notice:
    facts = sorted(facts, key=lambda fact: (-fact.amount, fact.key))
    names = {fact.key.source or fact.key.about: None for fact in facts}
    return Notice(what, list(names), list({fact.line: None for fact in facts}))
