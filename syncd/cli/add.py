"""`syncd add`, `syncd edit` and `syncd deactivate`: people that are entered by hand, one at a time."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from syncd.account import here
from syncd.cli.app import Json, app, console, notes, opened, print_json
from syncd.cli.show import run_summary
from syncd.cli.sync import EXIT
from syncd.contract.document import Document
from syncd.errors import ConfigError
from syncd.hand import entered, handing
from syncd.hand.alike import Alike, alike
from syncd.hand.entered import Person
from syncd.report import RunReport, State
from syncd.settings.file import Settings
from syncd.settings.mistakes import Mistake
from syncd.store import Store

Into = Annotated[str, typer.Option("--source", help='The source of what is entered by hand (connector = "by-hand").')]
School = Annotated[str, typer.Option("--school", help="The id of the school.")]


class Who(StrEnum):
    """Who or what can be added."""

    STUDENT = "student"
    TEACHER = "teacher"
    STAFF = "staff"
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


@app.command()
def add(
    what: Annotated[Who, typer.Argument(help="student, teacher, staff or school.")],
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
    name: Annotated[str, typer.Option("--name", help="Of a school.")] = "",
    anyway: Annotated[bool, typer.Option("--anyway", help="Also if somebody like that is there already.")] = False,
    json: Json = False,
) -> None:
    """Enter one student, teacher, member of staff or school by hand. Whoever could be the same person is told before."""
    configured, store = opened()
    into = configured.source(source)
    handing.check(into)
    if what is Who.SCHOOL:
        if not name.strip():
            raise ConfigError("--name: a school needs one.")
        _hand_in(configured, store, source, [handing.new_school(school, name.strip())], school, json)
        return
    values = {
        "given_name": given_name, "family_name": family_name, "number": number, "grade": grade, "username": username, "email": email,
        "state_id": state_id, "birth_date": birth_date,
    }  # fmt: skip
    person = _checked(what.value, school, values, configured)
    found = alike(store, person, list(configured.sources))
    if found and not anyway:
        _tell(found)
        raise ConfigError("somebody like that is there already. If it is another person, add --anyway; else `syncd edit` changes them.")
    before = handing.school(store, into, school, [one for one in configured.sources if one != source])
    record_id = person.new_id()
    _hand_in(configured, store, source, [*before, person.document(record_id)], record_id, json)


@app.command()
def edit(
    user_id: Annotated[str, typer.Argument(help="The id of whom to change.")],
    source: Into,
    given_name: Given = "",
    family_name: Family = "",
    grade: Grade = "",
    username: Username = "",
    email: Email = "",
    state_id: StateId = "",
    birth_date: Birth = "",
    json: Json = False,
) -> None:
    """Change what was entered by hand of a person; what is left out stays."""
    configured, store = opened()
    into = configured.source(source)
    handing.check(into)
    values = {
        "given_name": given_name, "family_name": family_name, "grade": grade, "username": username, "email": email, "state_id": state_id,
        "birth_date": birth_date,
    }  # fmt: skip
    changes, wrong = entered.changes(values, configured.today())
    if wrong:
        raise _refusal(wrong)
    report = handing.change_one(store, into, handing.changed(store, into, "user", user_id, changes), by=here(), today=configured.today())
    _say(report, user_id, json)


@app.command()
def deactivate(
    user_id: Annotated[str, typer.Argument(help="The id of whom to deactivate.")],
    source: Into,
    json: Json = False,
) -> None:
    """Deactivate a person who was entered by hand. Nothing is deleted: `syncd undo` brings them back."""
    configured, store = opened()
    into = configured.source(source)
    handing.check(into)
    report = handing.change_one(store, into, handing.gone(store, into, "user", user_id), by=here(), today=configured.today())
    _say(report, user_id, json)


def _checked(role: str, school: str, values: dict[str, str], configured: Settings) -> Person:
    person, wrong = entered.check(role, school, values, configured.today())
    if person is None:
        raise _refusal(wrong)
    return person


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
