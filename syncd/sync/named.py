"""Whom the documents of a part name and nobody knows yet: the course of a new section, the guardian of a new student. They are asked for by
id, so that what came can be used, and so is what others say of the users who are new. What is more than may be asked for is left to the
next full pull, and that is told.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from sqlalchemy import exists, select

from syncd.contract.document import Document
from syncd.roster.kinds import KINDS, PLURAL
from syncd.roster.scope import Scope
from syncd.store.tables import ROSTER, user_parts
from syncd.sync.asking import Asking
from syncd.sync.staging import STAGED, staged_parts

BATCH = 500
# The fields that name another record, and the kind of that one. (Roles name orgs; parts of users name guardians.)
NAMES = {
    "org": {"parent_id": "org"},
    "term": {"parent_id": "term"},
    "course": {"org_id": "org"},
    "section": {"school_id": "org", "course_id": "course", "term_ids": "term"},
    "user": {"roles": "org"},
    "enrollment": {"section_id": "section", "user_id": "user"},
}


def tell_about(asking: Asking, user_id: str) -> bool:
    """Stage what others say of a staged user. Whether anything came."""
    user, came = STAGED["user"].c, False
    with asking.connection.begin():
        roles = asking.connection.execute(select(user.roles).where(user.id == user_id)).scalars().first()
    for page in asking.connector.about(user_id, frozenset(role["role"] for role in roles or ())):
        asking.take_page(page)
        came = True
    return came


def follow(asking: Asking, scope: Scope, most: int) -> None:
    """Ask for whom the staged documents name, for what is said of the users who are new, and for whom those documents name in turn. most:
    how many of a kind."""
    following = _Following(asking, scope, most)
    while following.take_named() or following.tell_about_new():
        pass
    following.say_what_is_left()


class _Following:
    """told: users of whom all that is said was taken. count: how many of a kind were asked for."""

    def __init__(self, asking: Asking, scope: Scope, most: int) -> None:
        self._asking, self._scope, self._most = asking, scope, most
        self._told = {scope.id}
        self._count: Counter[str] = Counter()

    def take_named(self) -> bool:
        """Whether anything came."""
        came = False
        for kind, new in self._unknown().items():
            for record_id in sorted(new)[: self._most - self._count[kind]]:
                self._count[kind] += 1
                answer = self._asking.find(kind, record_id)
                if isinstance(answer, Document):
                    self._asking.take(answer)
                    came = True
        return came

    def tell_about_new(self) -> bool:
        """Whether anything came."""
        came = False
        for user_id in self._new_users()[: max(self._most + 1 - len(self._told), 0)]:
            self._told.add(user_id)
            came = tell_about(self._asking, user_id) or came
        return came

    def say_what_is_left(self) -> None:
        """Tell, for the report, what there was no room to ask for."""
        left, unknown = self._asking.staged.left, self._unknown()
        left += [f"{len(new)} {PLURAL[kind]} that are named and not known were not asked for" for kind, new in unknown.items() if new]
        if new_users := len(self._new_users()):
            left.append(f"what else is said of {new_users} new users (guardians, demographics) was not asked for")

    def _unknown(self) -> dict[str, set[str]]:
        """{kind: ids} of those whom the staged records name, who are neither staged nor active, and who were not asked for."""
        asked = self._asking.asked
        return {kind: {one for one in self._not_here(kind, ids) if (kind, one) not in asked} for kind, ids in self._named().items()}

    def _named(self) -> dict[str, set[str]]:
        """{kind: ids} of all whom the staged records name, and did not name before: who was not known then has been looked for."""
        source, connection = self._asking.source, self._asking.connection
        found: dict[str, set[str]] = {kind: set() for kind in KINDS}
        with connection.begin():
            for kind, fields in NAMES.items():
                table, held = STAGED[kind].c, ROSTER[kind].c
                for name, other in fields.items():
                    if (self._scope.kind, name) == ("user", "user_id"):
                        # Who else is in the section of one user is not asked about.
                        continue
                    mine = (held.source == source, held.id == table.id, held.status == "active", held[name] == table[name])
                    query = select(table[name]).where(table.gone.is_(False), table[name].is_not(None), ~exists().where(*mine)).distinct()
                    for value in connection.execute(query.execution_options(yield_per=BATCH)).scalars():
                        found[other].update(_ids(value))
            part, kept = staged_parts.c, user_parts.c
            before = exists().where(kept.source == source, kept.user_id == part.user_id, kept.guardian_id == part.guardian_id)
            guardians = select(part.guardian_id).where(part.guardian_id != "", ~before).distinct()
            found["user"].update(connection.execute(guardians).scalars())
        return found

    def _not_here(self, kind: str, named: set[str]) -> set[str]:
        """Those of the ids that are neither staged nor active."""
        held, staged, ids = ROSTER[kind].c, STAGED[kind].c, sorted(named)
        known: set[str] = set()
        with self._asking.connection.begin():
            for start in range(0, len(ids), BATCH):
                some = ids[start : start + BATCH]
                active = select(held.id).where(held.source == self._asking.source, held.status == "active", held.id.in_(some))
                for query in (select(staged.id).where(staged.id.in_(some)), active):
                    known.update(self._asking.connection.execute(query).scalars())
        return named - known

    def _new_users(self) -> list[str]:
        """The users who come and of whom not all was told yet."""
        staged, held = STAGED["user"].c, ROSTER["user"].c
        here = exists().where(held.source == self._asking.source, held.id == staged.id, held.status == "active")
        with self._asking.connection.begin():
            ids = self._asking.connection.execute(select(staged.id).where(staged.gone.is_(False), ~here).distinct()).scalars()
            return sorted(set(ids) - self._told)


def _ids(value: Any) -> Iterable[str]:
    """The ids in a field: one, several, or those of the orgs of roles."""
    if isinstance(value, str):
        return (value,)
    return [one for item in value if (one := item.get("org_id") if isinstance(item, dict) else item)]
