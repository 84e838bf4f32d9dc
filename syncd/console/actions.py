"""What people can do here: each is checked, written into the audit log, and, where it needs a run, given to the daemon as an order."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool

from syncd.account import Who
from syncd.console.site import Site
from syncd.console.who import may_see
from syncd.contract import discovery
from syncd.contract.connector import Context
from syncd.contract.document import Document
from syncd.errors import ConfigError, NothingHeld, UnknownSource
from syncd.hand import handing
from syncd.hand.alike import Alike
from syncd.hand.alike import alike as alike_people
from syncd.hand.entered import Person
from syncd.report import Mode, RunReport, State
from syncd.roster.scope import Scope
from syncd.settings import form, kept
from syncd.settings.kept import Kept
from syncd.settings.mistakes import Mistake
from syncd.settings.source import Source
from syncd.store import audit, orders, runs
from syncd.store import pause as rests
from syncd.sync import link
from syncd.sync.link import LINKED
from syncd.sync.run import reject as drop

Result = TypeVar("Result")


def sync(
    site: Site, who: Who, source: str, *, full: bool = False, anew: bool = False, dry_run: bool = False, scope: Scope | None = None
) -> int:
    """Order a run of a source, whole or of one school or user. Gives back the order's number."""
    mode = Mode.FULL if full or anew else Mode.INCREMENTAL
    what = "preview" if dry_run else "sync"
    return _order(site, who, what, source, "sync", mode=mode, anew=anew, dry_run=dry_run, scope=scope)


def approve(site: Site, who: Who, run: int, *, dry_run: bool = False, same: dict[str, str] | None = None) -> int:
    """Order that what a run holds is applied. same: {old id: new id} of users whom a person knows to be the same."""
    report = _seen(site, who, run)
    _refuse_unless_held(run, report.source, State(report.state))
    return _order(site, who, "approve", report.source, "approve", subject=str(run), run=run, same=same or {}, dry_run=dry_run)


def undo(site: Site, who: Who, run: int, *, dry_run: bool = False, force: bool = False) -> int:
    """Order that a run is taken back."""
    report = _seen(site, who, run)
    return _order(site, who, "undo", report.source, "undo", subject=str(run), run=run, force=force, dry_run=dry_run)


def reject(site: Site, who: Who, run: int) -> None:
    """Drop what a run holds, at once."""
    report = _seen(site, who, run)
    _refuse_unless_held(run, report.source, State(report.state))
    drop(site.store, report.source, run, by=who)


def pause(site: Site, who: Who, source: str) -> None:
    """No longer pull a source by its schedule."""
    _known(site, who, source)
    with site.store.write() as connection:
        rests.pause(connection, source, by=who)


def resume(site: Site, who: Who, source: str) -> None:
    """Pull it by its schedule again."""
    _known(site, who, source)
    with site.store.write() as connection:
        rests.resume(connection, source, by=who)


def switch(site: Site, who: Who, source: str, on: bool) -> None:
    """Pull a source that was set up here by its schedule, or no longer. Raises ConfigError."""
    as_it_is = kept_of(site, who, source)
    settings = {name: value for name, value in as_it_is.settings.items() if name != "enabled"} | ({} if on else {"enabled": False})
    problems = _keep(site, who, source, settings, {}, as_it_is.version, "source on" if on else "source off")
    if problems:
        raise ConfigError(*(f"{source}: {problem}" for problem in problems))


def kept_of(site: Site, who: Who, source: str) -> Kept:
    """A source that was set up here, as it is kept. Raises UnknownSource for one that stands in the file, or is not there."""
    may_see(who, source, refuse=True)
    found = next((one for one in kept.listed(site.store) if one.source == source), None)
    if found is None:
        raise UnknownSource(f"{source} was not set up in the console: change it in {site.path.name}.")
    return found


def save(site: Site, who: Who, source: str, entered: Mapping[str, str], *, seen: int | None) -> list[Mistake]:
    """Keep a source as its form was filled in; gives what is wrong, and then keeps nothing. seen: the version that the form showed; None:
    the source is new. A new one is off until it is switched on."""
    may_see(who, source, refuse=True)
    if seen is None and source in site.settings.sources:
        return [Mistake("name", "is that of a source that is there already")]
    fields = fields_of(entered.get("connector", ""))
    before = {"enabled": False} if seen is None else kept_of(site, who, source).settings
    settings, secrets = form.read(fields, entered, before)
    settings["connector"] = entered["connector"]
    return _keep(site, who, source, settings, secrets, seen, "source added" if seen is None else "source changed")


def fields_of(connector: str) -> list[form.Field]:
    """What the guided form of a connector asks for. Raises ConfigError when it is not installed."""
    # Whether it is on is said by a button of its own, once it was tried.
    return [*form.form(discovery.find(connector)), *(one for one in form.common() if one.name != "enabled")]


def remove(site: Site, who: Who, source: str) -> None:
    """Forget how a source that was set up here is reached."""
    kept_of(site, who, source)
    kept.remove(site.store, source, by=who.name, at=datetime.now(UTC))
    with site.store.write() as connection:
        audit.note(connection, who, "source removed", source=source)
    site.changed()


def decide(site: Site, who: Who, one: tuple[str, str], other: tuple[str, str], state: str) -> None:
    """A person's word on whether two users of two sources are the same. state: linked or refused."""
    for source, _ in (one, other):
        may_see(who, source, refuse=True)
    people = [site.settings.source(source).common.people for source, _ in (one, other)]
    if state == LINKED and (people[0] is None or people[0] != people[1]):
        raise ConfigError(f'{one[0]} and {other[0]} are not said to have the same people: give both the same word as "people".')
    link.decide(site.store, link.Person(*one), link.Person(*other), state, by=who)


def enter(site: Site, who: Who, source: str, school_id: str, documents: list[Document], *, dry_run: bool = False) -> RunReport:
    """Take in people of a school that may be another source's, and comes along then. Raises Unknown where none has it."""
    others = [name for name in site.settings.sources if name != source and may_see(who, name)]
    before = handing.school(site.store, site.settings.source(source), school_id, others)
    return hand_in(site, who, source, [*before, *documents], dry_run=dry_run)


def hand_in(site: Site, who: Who, source: str, documents: list[Document], *, dry_run: bool = False) -> RunReport:
    """Take in records that somebody entered, at once: whoever did so waits for it. Raises as a run does."""
    may_see(who, source, refuse=True)
    return handing.hand_in(site.store, whole(site, source), documents, by=who, today=site.settings.today(), dry_run=dry_run)


def change(site: Site, who: Who, source: str, documents: list[Document]) -> RunReport:
    """Change or deactivate a person or section that was entered, by somebody who has it before them."""
    may_see(who, source, refuse=True)
    return handing.change(site.store, whole(site, source), documents, by=who, today=site.settings.today())


def whole(site: Site, source: str) -> Source:
    """A source with its secrets, which nothing else here needs. Raises UnknownSource."""
    return kept.complete(site.settings, site.store, secrets=(source,)).source(source)


def alike(site: Site, who: Who, person: Person) -> list[Alike]:
    """Who is there already and could be the same person, in the sources that are any of their business."""
    return alike_people(site.store, person, [name for name in site.settings.sources if may_see(who, name)])


def _keep(
    site: Site, who: Who, source: str, settings: dict[str, Any], secrets: dict[str, str | None], seen: int | None, action: str
) -> list[Mistake]:
    at = datetime.now(UTC)
    problems = kept.save(site.settings, site.store, source, settings, secrets, by=who.name, at=at, seen=seen)
    if not problems:
        with site.store.write() as connection:
            audit.note(connection, who, action, source=source)
        site.changed()
    return problems


async def in_thread(function: Callable[..., Result], *arguments: Any) -> Result:
    """Do what may wait for the store or a source, and let others be served meanwhile."""
    return await run_in_threadpool(function, *arguments)


def probe(source: Source) -> str:
    """Sign in to a source and read one page. Raises SourceError."""
    connector = source.connect(Context(source.name))
    try:
        return connector.probe()
    finally:
        connector.close()


def _order(site: Site, who: Who, action: str, source: str, what: str, *, subject: str | None = None, **options: Any) -> int:
    _known(site, who, source)
    with site.store.write() as connection:
        number = orders.give(connection, source, what, by=who.name, **options)
        audit.note(connection, who, action, source=source, subject=subject, order=number)
    return number


def _seen(site: Site, who: Who, run: int) -> RunReport:
    """A run that is their business: another one tells not even how it stands."""
    report = runs.get(site.store, run)
    may_see(who, report.source, refuse=True)
    return report


def _known(site: Site, who: Who, source: str) -> None:
    may_see(who, source, refuse=True)
    site.settings.source(source)


def _refuse_unless_held(run: int, source: str, state: State) -> None:
    if state != State.HELD:
        raise NothingHeld(f"{source}: run {run} is {state}: it holds nothing.")
