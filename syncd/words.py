"""What is shown to people, in words: the sentences over reports, holds, links and quarantine that all have in common who show them."""

from datetime import UTC, datetime
from typing import Any

from syncd.report import Held

VERBS = {"deactivate": "deactivated", "create": "created", "update": "changed", "reactivate": "reactivated", "rekey": "given a new id"}
WHY = {
    "empty": "the source sent none",
    "quiet": "in the quiet period nobody goes by itself",
    "unconfirmed": "others that were missing are there when asked for, or could not be asked for: the list may have holes",
    "undone": "a person undid just that",
    "rekey": "the same people came under new ids",
    "same-person": "each could be one of several who come or go",
    "another-person": "under the same id they would become somebody else",
    "other-names": "so many get another given and another family name that a list may have slipped by a row",
    "depends": "they depend on what is held",
    "hold-all": "this source holds everything when anything is held",
}
# What is wrong with a file, or a row of it, or what was handed in; the field says where.
OF_FILES = {
    "not-a-record": "is not what a record of its kind is",
    "no-manifest": "came without a manifest.csv; which version it is was told by its columns",
    "manifest-version": "has a manifest that names no version; which it is was told by the columns",
    "manifest-mode": "is in the manifest as neither absent, bulk nor delta; its rows tell",
    "not-in-manifest": "is there, and the manifest says nothing of it",
    "in-a-folder": "has its files in a folder, and not side by side at the top",
    "unknown-file": "is a file that nobody knows",
    "column-name": "has a column whose name is written otherwise than it should be",
    "unknown-column": "has a column that nobody knows; what stands in it is kept beside the record",
    "column-missing": "lacks columns",
    "column-order": "has its columns in another order than it should",
    "extra-cells": "has more cells than there are columns: a comma may stand in a name without quotes",
    "short-row": "has fewer cells than there are columns; those that lack count as empty",
    "status-and-date": "has a status without a date, or a date without a status",
    "role-row": "has a role in roles.csv that can not be used",
    "delimiter": "parts its cells by another sign than a comma",
    "encoding": "is not written in UTF-8",
    "wrong-ending": "is of another kind than the ending of its name says",
    "before-header": "has rows before its header; they are not read",
    "late-directive": "has <DeleteUnlistedRecords> far below the header, where it is not obeyed",
    "lost-zeros": "may have lost zeros in front of its numbers, as a spreadsheet does to them; mend it at its origin",
    "rounded-number": "has a number that a spreadsheet has rounded, as 1.23E+11; the row is not used, since it could be another's",
    "no-organizations": "came without an organizations file: who administers a district is taken for who administers a school",
    # Of spreadsheets.
    "formula": "has formulas; what they gave when the file was saved counts",
    "formula-empty": "has formulas without a result; their cells count as empty",
    "cell-error": "has an error in a cell, as #N/A, which counts as empty",
    "merged-cells": "has merged cells, of which only the first has anything in it",
    "other-sheets": "has other sheets with something in them; only the first that can be seen is read",
    "cells-beside": "has something beside its columns, which is not read",
}
# What is wrong with a record that the source sent, by the rule that found it.
REASONS = OF_FILES | {
    "not-json": "is not readable JSON",
    "not-an-object": "is not a record",
    "no-id": "has no id",
    "unusable-id": "has an id that can not be kept: too long, or with invisible characters",
    "too-large": "is larger than any record",
    "too-long": "has a text that is too long",
    "unknown-word": "has a word that nobody has heard of",
    "parent-circle": "is its own parent, or in a circle of parents",
    "missing": "lacks what it needs",
    "not-a-date": "is not a date",
    "no-such-record": "names a record that does not exist",
    "two-users-one-email": "has the same email as another user",
    "no-name": "has no name",
    "no-school": "is a student of no school",
    "no-teacher": "has no teacher",
    "no-student": "has no students",
    "same-person": "looks like somebody who left, but not one to one",
    "two-versions": "came in two versions, and nobody can tell which is right",
}
LINKED_BY = {
    "student-number": "student number",
    "state-id": "state id",
    "email": "email",
    "name-and-birth-date": "name and birth date",
    "person": "a person",
}
DOUBTS = {
    "shared": "more than one has it",
    "contradicted": "names, birth dates or another number say otherwise",
    "name-only": "nothing but name and birth date",
    "changed": "was linked; what showed it has changed",
}


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
    """What would have happened, and why it did not, as in "412 of 960 students would be deactivated, 400 of them at Lincoln Elementary"."""
    verb, where = VERBS[held.action], held.org_name or held.org_id
    why = WHY.get(held.rule) or (f"the limit is {held.limit}" if held.limit else "")
    if held.rule == "school-gone":
        gone = f"{where} would be deactivated" if held.kind == "orgs" else f"all {held.count} {held.kind} of {where} would be deactivated"
        return f"{gone}: a whole school never goes by itself"
    count, of, kind = held.count, held.of, held.kind
    if held.students and held.students_of:
        count, of, kind = held.students, held.students_of, "students"
    if held.action == "create":
        told = f"{count} {kind} would be created, where {of} are active"
    elif held.rule == "depends":
        told = f"{count} {kind} would be {verb}"
    else:
        told = f"{count} of {of} {kind} would be {verb}"
    if held.rule == "max_deactivations_per_school":
        told += f" at {where}"
    elif where and held.org_count:
        told += f", {held.org_count} of them at {where}"
    if kind != held.kind and held.count != count:
        told += f" ({held.count} {held.kind} in all)"
    return f"{told}: {why}" if why else told


def because(rule: str) -> str:
    """Why a single change waits, in words."""
    if rule == "school-gone":
        return "a whole school never goes by itself"
    return WHY.get(rule) or f"of the limit {rule}"


def link_reason(link: dict[str, Any]) -> str:
    """Why two are linked or may be: the rule, the doubt, who decided."""
    told: str = LINKED_BY.get(link["rule"], link["rule"])
    if link["doubt"]:
        told += f": {DOUBTS.get(link['doubt'], link['doubt'])}"
    return told + (f" ({link['decided_by']})" if link["decided_by"] else "")
