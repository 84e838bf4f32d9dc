"""Which field of OneRoster's REST binding each column is: from there on, one reader serves both bindings."""

from collections.abc import Callable
from typing import Any

Value = Any

# Files of the bindings that no roster is made of.
OTHERS = frozenset({
    "userprofiles", "resources", "classresources", "courseresources", "courseresourses", "userresources", "categories", "lineitems",
    "results", "lineitemlearningobjectiveids", "lineitemscorescales", "resultlearningobjectiveids", "resultscorescales", "scorescales",
})  # fmt: skip

# Right names for wrong ones that real files have.
MISSPELT = {
    "datalastmodified": "dateLastModified",
    "prefferedgivenname": "preferredGivenName",
    "grade": "grades",
    "userid": "userIds",
    "agents": "agentSourcedIds",
    "orgsourcedid": "orgSourcedIds",
    "termsourcedid": "termSourcedIds",
}
# Of no use to a roster, or nobody's business; never kept as they are.
UNREAD = frozenset({"password", "resourceSourcedIds", "userProfileSourcedId"})
# What has to be there for a file to be read at all.
NEEDED = {
    "users": ("sourcedId",),
    "roles": ("sourcedId", "userSourcedId", "role"),
    "enrollments": ("sourcedId", "classSourcedId", "userSourcedId"),
}


def items(cell: str) -> list[str]:
    """A list in a cell: its items are parted by commas."""
    return [part for part in map(str.strip, cell.split(",")) if part]


def user_ids(cell: str) -> list[dict[str, str]]:
    """`{type:id}`, several parted by commas."""
    found = []
    for part in items(cell):
        kind, _, value = part.strip("{}").partition(":")
        found.append({"type": kind.strip(), "identifier": value.strip()} if value else {"type": "", "identifier": kind.strip()})
    return found


def _one(cell: str) -> dict[str, str]:
    return {"sourcedId": cell}


def _many(cell: str) -> list[dict[str, str]]:
    return [{"sourcedId": part} for part in items(cell)]


# A column's name: the field of the REST binding, and how its cell is read; others are texts of the same name.
FIELDS: dict[str, tuple[str, Callable[[str], Value]]] = {
    "parentSourcedId": ("parent", _one),
    "schoolYearSourcedId": ("schoolYear", _one),
    "orgSourcedId": ("org", _one),
    "orgSourcedIds": ("orgs", _many),
    "schoolSourcedId": ("school", _one),
    "courseSourcedId": ("course", _one),
    "classSourcedId": ("class", _one),
    "termSourcedIds": ("terms", _many),
    "userSourcedId": ("user", _one),
    "agentSourcedIds": ("agents", _many),
    "primaryOrgSourcedId": ("primaryOrg", _one),
    "grades": ("grades", items),
    "subjects": ("subjects", items),
    "subjectCodes": ("subjectCodes", items),
    "periods": ("periods", items),
    "userIds": ("userIds", user_ids),
}
