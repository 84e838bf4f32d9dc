"""`syncd add`, `syncd edit` and `syncd deactivate`: people and sections that are entered by hand, one at a time."""

from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any

import typer

from syncd.account import here
from syncd.cli.app import Json, app, console, notes, opened, print_json
from syncd.cli.show import run_summary
from syncd.cli.sync import EXIT
from syncd.contract.document import Document
from syncd.errors import ConfigError
from syncd.hand import entered, handing, sections
from syncd.hand.alike import Alike, alike
from syncd.hand.entered import Person
from syncd.hand.sections import Section
from syncd.report import RunReport, State
from syncd.settings.file import Settings
from syncd.settings.mistakes import Mistake
from syncd.settings.source import Source
from syncd.store import Store

Into = Annotated[str, typer.Option("--source", help='The source of what is entered by hand (connector = "by-hand").')]
School = Annotated[str, typer.Option("--school", help="The id of the school.")]


class Who(StrEnum):
    """Who or what can be added."""

    STUDENT = "student"
    TEACHER = "teacher"
    STAFF = "staff"
    SECTION = "section"
    SCHOOL = "school"


def _text(name: str, *flags: str) -> Any:
    one = entered.NAMES[name]
    return typer.Option(*flags, help=f"{one.title}{f': {one.hint}' if one.hint else ''}.")


Given = Annotated[str, _text("given_name", "--given-name")]
Family = Annotated[str, _text("family_name", "--family-name")]
Number = Annotated[str, _text("number", "--number")]
Grade = Annotated[str, _text("grade", "--grade")]
Username = Annotated[str, _text("username", "--username")]
Email = Annotated[str, _text("email", "--email")]
StateId = Annotated[str, _text("state_id", "--state-id")]
Birth = Annotated[str, _text("birth_date", "--birth-date")]
Name = Annotated[str, typer.Option("--name", help="Of a school or section.")]
InIt = Annotated[
    list[str] | None,
    typer.Option("--person", help="Of a section: the ID of somebody in it, entered in the same source. Several times for several people."),
]


@app.command()
def add(
    what: Annotated[Who, typer.Argument(help="student, teacher, staff, section or school.")],
    source: Into,
    school: School,
    given_name: Given = "",
    family_name: Family = "",
    number: Number = "",
    grade: Grade = "",
    username: Username = "",
    email: Email = "",
    state_id: StateId = "",
    birth_date: Birth = "",
    name: Name = "",
    person: InIt = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="Also if somebody like that is there already.")] = False,
    json: Json = False,
) -> None:
    """Enter one student, teacher, member of staff, section or school by hand. Whoever could be the same person is told before."""
    configured, store = opened(secrets=(source,))
    into = configured.source(source)
    handing.check(into)
    if what is Who.SCHOOL:
        if not name.strip():
            raise ConfigError("--name: a school needs one.")
        _hand_in(configured, store, source, [handing.new_school(school, name.strip())], school, json)
        return
    others = [one for one in configured.sources if one != source]
    if what is Who.SECTION:
        section = _section(store, into, {"name": name, "number": number, "people": "\n".join(person or ())})
        record_id = section.new_id()
        in_it = sections.enrollments(store, into, record_id, school, section.people)
        before = handing.school(store, into, school, others)
        _hand_in(configured, store, source, [*before, section.document(record_id, school), *in_it], record_id, json)
        return
    values = {
        "given_name": given_name, "family_name": family_name, "number": number, "grade": grade, "username": username, "email": email,
        "state_id": state_id, "birth_date": birth_date,
    }  # fmt: skip
    somebody = _checked(what.value, school, values, configured)
    found = alike(store, somebody, list(configured.sources))
    if found and not anyway:
        _tell(found)
        raise ConfigError("somebody like that is there already. If it is another person, add --anyway; else `syncd edit` changes them.")
    before = handing.school(store, into, school, others)
    record_id = somebody.new_id()
    _hand_in(configured, store, source, [*before, somebody.document(record_id)], record_id, json)


@app.command()
def edit(
    record_id: Annotated[str, typer.Argument(help="The id of the person or section to change.")],
    source: Into,
    given_name: Given = "",
    family_name: Family = "",
    grade: Grade = "",
    username: Username = "",
    email: Email = "",
    state_id: StateId = "",
    birth_date: Birth = "",
    name: Name = "",
    person: InIt = None,
    json: Json = False,
) -> None:
    """Change what was entered by hand of a person or section; what is left out stays. With --person, those and nobody else are in it."""
    configured, store = opened(secrets=(source,))
    into = configured.source(source)
    handing.check(into)
    if handing.kind_of(store, into, record_id) == "section":
        documents = _changed_section(store, into, record_id, name, person)
        _say(handing.change(store, into, documents, by=here(), today=configured.today()), record_id, json)
    values = {
        "given_name": given_name, "family_name": family_name, "grade": grade, "username": username, "email": email, "state_id": state_id,
        "birth_date": birth_date,
    }  # fmt: skip
    changes, wrong = entered.changes(values, configured.today())
    if wrong:
        raise _refusal(wrong)
    document = handing.changed(store, into, "user", record_id, changes)
    _say(handing.change(store, into, [document], by=here(), today=configured.today()), record_id, json)


@app.command()
def deactivate(
    record_id: Annotated[str, typer.Argument(help="The id of the person or section to deactivate.")],
    source: Into,
    json: Json = False,
) -> None:
    """Deactivate a person or section that was entered by hand. Nothing is deleted: `syncd undo` brings it back."""
    configured, store = opened(secrets=(source,))
    into = configured.source(source)
    handing.check(into)
    documents = handing.gone(store, into, handing.kind_of(store, into, record_id), record_id)
    _say(handing.change(store, into, documents, by=here(), today=configured.today()), record_id, json)


def _checked(role: str, school: str, values: dict[str, str], configured: Settings) -> Person:
    person, wrong = entered.check(role, school, values, configured.today())
    if person is None:
        raise _refusal(wrong)
    return person


def _section(store: Store, source: Source, values: dict[str, str]) -> Section:
    section, wrong = sections.check(store, source, values)
    if section is None:
        raise _refusal([replace(one, key="person") if one.key == "people" else one for one in wrong])
    return section


def _changed_section(store: Store, source: Source, section_id: str, name: str, people: list[str] | None) -> list[Document]:
    held = handing.held(store, source, "section", section_id)
    in_it = sections.people_of(store, source.name, section_id) if people is None else people
    section = _section(store, source, {"name": name or held["name"] or section_id, "people": "\n".join(in_it)})
    return sections.changed(store, source, section_id, section)


def _refusal(wrong: list[Mistake]) -> ConfigError:
    return ConfigError(*(f"--{one.key.replace('_', '-')} {one.words}." for one in wrong))


def _tell(found: list[Alike]) -> None:
    for one in found:
        notes.print(f"{one.source} {one.id}: the same {', '.join(one.by)}", markup=False, highlight=False)


def _hand_in(configured: Settings, store: Store, source: str, documents: list[Document], record_id: str, json: bool) -> None:
    _say(handing.hand_in(store, configured.source(source), documents, by=here(), today=configured.today()), record_id, json)


def _say(report: RunReport, record_id: str, json: bool) -> None:
    if json:
        print_json({"id": record_id, "run": report})
    else:
        console.print(f"{record_id}", markup=False, highlight=False)
        console.print(run_summary(report))
    raise typer.Exit(EXIT.get(State(report.state), 0))
