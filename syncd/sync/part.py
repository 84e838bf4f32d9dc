"""One school or one user by itself: what belongs to it comes, and is taken for true like all that comes in a pull of changes.

A part proves nothing of who is not in it: a student who left one school may be at another. So whoever we hold in the part and who did not
come is asked for by id, within bounds (`guard.confirm`). Who answers is taken as the answer says, at whatever school that is. Gone is only
of whom the source itself says that there is no such record, if it does not say so of everybody.
"""

from collections.abc import Callable
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Connection, Select, Text, and_, exists, func, or_, select, type_coerce, union

from syncd.contract.connector import Connector, Context
from syncd.contract.document import Document, Presence
from syncd.errors import ConfigError, SourceError
from syncd.roster.org import Org
from syncd.roster.scope import Scope
from syncd.store import jsontext, runs
from syncd.store.columns import canonical
from syncd.store.engine import Store
from syncd.store.tables import ROSTER, user_parts
from syncd.sync import named, staging
from syncd.sync.asking import Asking
from syncd.sync.confirm import Confirmed
from syncd.sync.stage import Staged, stage
from syncd.sync.staging import STAGED, staged_unreadable

log = structlog.get_logger()

OnPage = Callable[[str, int, int | None], None]


def check(store: Store, source: str, connector: Connector, scope: Scope) -> None:
    """Raises ConfigError when a part can not be asked for."""
    if scope.kind not in connector.abilities.scopes:
        told = f"{source}: its connector can not ask for one {scope.kind} by itself."
        raise ConfigError(f"{told} `syncd sync {source}` asks for everything.")
    if runs.last_whole(store, source) is None:
        raise ConfigError(f"{source}: it was not synced yet, all of it comes first: `syncd sync {source}`.")


def pull(
    connector: Connector, context: Context, connection: Connection, scope: Scope, on_page: OnPage, most: int
) -> tuple[Staged, Confirmed]:
    """Stage what belongs to a school or a user. most: how many records of a kind may be asked for by id, of those who did not come and of
    those who are named.

    Raises SourceError or Stopped, as any pull; SourceError, too, when neither the source nor we know such a school or user.
    """
    source = context.source
    asking = Asking(connector, connection, source, Staged(connector.resources(), incremental=True, scope=scope))
    own = asking.find(scope.record_kind, scope.id)
    _judge(own, asking, scope)
    if isinstance(own, Document):
        asking.staged = stage(connector, context, connection, on_page, scope=scope)
        asking.take(own)
        if scope.kind == "user":
            named.tell_about(asking, scope.id)
    else:
        staging.index(connection)
        asking.take_gone(scope.record_kind, scope.id)
        if scope.kind == "user":
            # All that the user had is missing. (Of a school that is gone nothing is asked: a whole school never goes by itself.)
            asking.staged.doubts = {resource.name: None for resource in asking.staged.resources}
    confirmed = _ask_for_missing(asking, scope, most)
    named.follow(asking, scope, most)
    return asking.staged, confirmed


def _judge(own: Document | Presence, asking: Asking, scope: Scope) -> None:
    """Whether what the source says of the school or user itself is something to go on with. Raises SourceError."""
    source, kind = asking.source, scope.record_kind
    if isinstance(own, Document):
        if any(isinstance(record, Org) and record.type == "district" for record in asking.connector.read(own).records):
            raise SourceError(f"{source}: {scope.id} is a district and no school.", advice=f"`syncd sync {source}` pulls all of it.")
        return
    with asking.connection.begin():
        held = ROSTER[kind].c
        is_held = asking.connection.execute(select(held.id).where(held.source == source, held.id == scope.id)).first() is not None
    if own is Presence.GONE and not is_held:
        raise SourceError(f"{source}: there is no {scope}, neither at the source nor in the roster.", advice="Check the id.")
    if own is Presence.CANNOT_TELL or not asking.tells(kind):
        told = f"{source}: the source does not tell whether there is a {scope}"
        told += "." if own is Presence.CANNOT_TELL else ": asked for others that it has, it knows none of them either."
        raise SourceError(told, advice="Check what the credentials may read, or pull everything.")


def _ask_for_missing(asking: Asking, scope: Scope, most: int) -> Confirmed:
    """Ask for those whom we hold in the part and who did not come, of the lists that came whole."""
    confirmed, doubts = Confirmed(), asking.staged.doubts
    for kind, names in asking.resources.items():
        whole = names and all(name in doubts and doubts[name] is None for name in names)
        expected = _expected(asking, scope, kind) if whole else None
        if expected is not None:
            _ask(asking, scope, kind, _without_those_who_came(asking, kind, expected), most, confirmed)
    if scope.kind == "user":
        # A user's guardians stand in no list that they could be missing from.
        confirmed.present.pop("user", None)
    return confirmed


def _ask(asking: Asking, scope: Scope, kind: str, missing: Select[Any], most: int, confirmed: Confirmed) -> None:
    with asking.connection.begin():
        count = asking.connection.execute(select(func.count()).select_from(missing.subquery())).scalar_one()
        drawn = asking.connection.execute(missing.order_by(func.random()).limit(most)).scalars().all()
    if not count:
        return
    answers = {record_id: asking.find(kind, record_id) for record_id in drawn}
    there = [answer for answer in answers.values() if isinstance(answer, Document)]
    gone = [record_id for record_id, answer in answers.items() if answer is Presence.GONE]
    if gone and not asking.tells(kind, _has_to_do_with(asking, scope, kind)):
        log.warning("missing records could not be asked for", kind=kind, count=len(gone))
        gone = []
    for document in there:
        asking.take(document)
    for record_id in gone:
        asking.take_gone(kind, record_id)
    confirmed.present[kind], confirmed.untold[kind] = len(there), count - len(there) - len(gone)
    if count > len(drawn):
        # So many at once is no school day: who of them is gone waits for a person.
        confirmed.unasked[kind] = count - len(drawn)


def _expected(asking: Asking, scope: Scope, kind: str) -> Any:
    """The ids of the documents that stated whom we hold in the part; None where nothing of the kind belongs to it."""
    documents = []
    for each in {each for resource in asking.staged.resources if resource.name in asking.resources[kind] for each in resource.kinds}:
        held, mine = ROSTER[each].c, _belongs(asking, scope, each)
        if mine is not None:
            stated = select(func.coalesce(held.document_id, held.id).label("id"))
            documents.append(stated.where(held.source == asking.source, held.status == "active", mine))
    return union(*documents).subquery() if documents else None


def _without_those_who_came(asking: Asking, kind: str, expected: Any) -> Select[Any]:
    came = exists().where(STAGED[kind].c.id == expected.c.id)
    same = (staged_unreadable.c.resource.in_(asking.resources[kind]), staged_unreadable.c.document_id == expected.c.id)
    return select(expected.c.id).where(~came, ~exists().where(*same))


def _belongs(asking: Asking, scope: Scope, kind: str) -> ColumnElement[bool] | None:
    """Whether a record that we hold belongs to the part; None where none of the kind does."""
    held = ROSTER[kind].c
    if scope.kind == "user":
        stating = select(user_parts.c.document_id).where(user_parts.c.source == asking.source, user_parts.c.user_id == scope.id)
        return held.user_id == scope.id if kind == "enrollment" else held.id.in_(stating) if kind == "user" else None
    section = ROSTER["section"].c
    sections = select(section.id).where(section.source == asking.source, section.school_id == scope.id)
    match kind:
        case "course":
            return held.org_id == scope.id
        case "section":
            return held.school_id == scope.id
        case "enrollment":
            return or_(held.school_id == scope.id, and_(held.school_id.is_(None), held.section_id.in_(sections)))
        case "user":
            return _has_role(asking, scope, held.roles)
    return None


def _has_to_do_with(asking: Asking, scope: Scope, kind: str) -> ColumnElement[bool] | None:
    """Whether a record that we hold belongs to the part, or is a user with any role there."""
    if (scope.kind, kind) == ("school", "user"):
        return jsontext.holds(asking.connection, ROSTER["user"].c.roles, canonical(scope.id))
    return _belongs(asking, scope, kind)


def _has_role(asking: Asking, scope: Scope, roles: Any) -> ColumnElement[bool] | None:
    """Whether somebody has one of the roles at the school that its lists are of."""
    listed = {role for name in asking.resources["user"] for role in asking.staged.roles.get(name, ())}
    each = [canonical({"org_id": scope.id, "primary": main, "role": role}) for role in sorted(listed) for main in (False, True)]
    return or_(*(type_coerce(roles, Text).contains(one, autoescape=True) for one in each)) if each else None
