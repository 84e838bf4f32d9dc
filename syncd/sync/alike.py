"""Which people of two sources may be the same person, and how sure that is, among all whom `reach` says have to be looked at.

The rules, strongest first; what a stronger one decided, a weaker one leaves alone:

- `student-number`, `state-id`: certain when just one active person of the same role kind (student, staff, guardian) has it on either
  side, and nothing speaks against it: both names differ, or two birth dates.
- `email`: certain when just one active person has it on either side, of whatever role, and both names agree. Siblings share a parent's.
- `name-and-birth-date`: never certain.
"""

from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Integer,
    Table,
    Text,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    tuple_,
    type_coerce,
    update,
)

from syncd.store.tables import ROSTER, links
from syncd.sync.reach import NAMED, Pair, marks_of, metadata, scope

# What more people than this share in one source (a placeholder, the school's own address) tells nothing of any of them.
MOST = 5

_user = ROSTER["user"]

# Those in the scope who are active.
people = Table(
    "link_people",
    metadata,
    Column("source", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("student-number", Text, index=True),
    Column("state-id", Text, index=True),
    Column("email", Text, index=True),
    Column(NAMED, Text, index=True),
    Column("given_name", Text),
    Column("family_name", Text),
    Column("birth_date", Text),
    prefixes=["TEMPORARY"],
)

# Pairs that a rule brings up, and those that are certain; user_id is of the pair's first source. Rank 0: a person said so.
candidates = Table(
    "link_candidates",
    metadata,
    Column("rank", Integer, primary_key=True),
    Column("user_id", Text, primary_key=True),
    Column("other_id", Text, primary_key=True),
    Column("rule", Text, nullable=False),
    Column("doubt", Text),
    prefixes=["TEMPORARY"],
)
certain = Table(
    "link_certain",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("other_id", Text, primary_key=True, index=True),
    Column("rank", Integer, nullable=False),
    Column("rule", Text, nullable=False),
    prefixes=["TEMPORARY"],
)


RULES = tuple(marks_of(_user.c))
ANY_ROLE = ("email",)


def pair_up(connection: Connection, pair: Pair) -> None:
    """Fill `candidates` with the pairs that wait for a person and `certain` with the certain ones, among all whom `scope` reaches."""
    _take_people(connection, pair)
    _take_decided(connection, pair)
    for rank, rule in enumerate(RULES, start=1):
        _bring_up(connection, pair, rank, rule)
        if rule != RULES[-1]:
            _make_sure(connection, rank, rule)
    _keep_proposals(connection)


def _take_people(connection: Connection, pair: Pair) -> None:
    inside = exists().where(scope.c.source == _user.c.source, scope.c.id == _user.c.id)
    values = {
        **marks_of(_user.c),
        "role": _role(),
        "given_name": func.folded(_user.c.given_name),
        "family_name": func.folded(_user.c.family_name),
        "birth_date": _user.c.birth_date,
    }
    rows = select(_user.c.source, _user.c.id, *values.values()).where(
        _user.c.source.in_((pair.first, pair.second)), _user.c.status == "active", inside
    )
    connection.execute(insert(people).from_select(["source", "id", *values], rows))
    for rule in RULES:
        of = people.alias()
        column = of.c[rule]
        often = select(of.c.role, column).group_by(of.c.source, of.c.role, column).having(func.count() > MOST)
        if rule in ANY_ROLE:
            many = select(column).group_by(of.c.source, column).having(func.count() > MOST)
            connection.execute(update(people).where(people.c[rule].in_(many)).values({rule: null()}))
        else:
            connection.execute(update(people).where(tuple_(people.c.role, people.c[rule]).in_(often)).values({rule: null()}))


def _role() -> ColumnElement[str]:
    roles = type_coerce(_user.c.roles, Text)

    def has(*names: str) -> ColumnElement[bool]:
        return or_(*(roles.contains(f'"role":"{name}"') for name in names))

    return case(
        (has("student"), "student"),
        (has("teacher", "staff", "district_admin"), "staff"),
        (has("guardian"), "guardian"),
        else_="other",
    )


def in_scope(pair: Pair) -> ColumnElement[bool]:
    """The links of the two sources between people who are looked at. (Two INs would be taken as every one with every other.)"""
    first = select(people.c.id).where(people.c.source == pair.first)
    return and_(pair.links(), links.c.user_id.in_(first), exists().where(people.c.source == pair.second, people.c.id == links.c.other_id))


# ── who may be whom ──────────────────────────────────────────────────────────────────────────────────


def _take_decided(connection: Connection, pair: Pair) -> None:
    """Whom a person linked stands for nobody else there, as long as both are active."""
    decided = select(links.c.user_id, links.c.other_id, literal(0), links.c.rule).where(
        links.c.state == "linked",
        links.c.decided_at.is_not(None),
        in_scope(pair),
    )
    connection.execute(insert(certain).from_select(["user_id", "other_id", "rank", "rule"], decided))


def _bring_up(connection: Connection, pair: Pair, rank: int, rule: str) -> None:
    """The pairs that this rule speaks for, less those settled by a stronger one or refused by a person, each with what is doubtful."""
    one, other = people.alias("one"), people.alias("other")
    free = and_(
        ~exists().where(certain.c.user_id == one.c.id),
        ~exists().where(certain.c.other_id == other.c.id),
        ~exists().where(pair.links(), links.c.state == "refused", links.c.user_id == one.c.id, links.c.other_id == other.c.id),
    )
    shared = or_(_sharing(one, rule) > 1, _sharing(other, rule) > 1)
    given, family, born = (
        _known(one.c[name], other.c[name], one.c[name] != other.c[name]) for name in ("given_name", "family_name", "birth_date")
    )
    against = or_(and_(given, family), born)
    if rule == "email":
        agree = and_(
            *(_known(one.c[name], other.c[name], one.c[name] == other.c[name]) for name in ("given_name", "family_name")),
        )
        against = or_(~agree, born)
        # Brother and sister with their mother's address are not the same child.
        free = and_(free, ~and_(shared, given))
    doubt = case((shared, "shared"), (against, "contradicted"))
    if rule == NAMED:
        doubt = case((shared, "shared"), else_="name-only")
    query = (
        select(literal(rank), one.c.id, other.c.id, literal(rule), doubt)
        .join_from(one, other, and_(other.c[rule] == one.c[rule], other.c.role == one.c.role))
        .where(one.c.source == pair.first, other.c.source == pair.second, free)
    )
    connection.execute(insert(candidates).from_select(["rank", "user_id", "other_id", "rule", "doubt"], query))


def _known(one: Any, other: Any, holds: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether something holds of two values that are both there: false, and not NULL, where one is not."""
    return and_(one.is_not(None), other.is_not(None), func.coalesce(holds, False))


def _sharing(of: Any, rule: str) -> Any:
    """How many active people of that one's source have the same, the one included."""
    same = people.alias()
    role = [] if rule in ANY_ROLE else [same.c.role == of.c.role]
    return select(func.count()).where(same.c.source == of.c.source, same.c[rule] == of.c[rule], *role).correlate(of).scalar_subquery()


def _make_sure(connection: Connection, rank: int, rule: str) -> None:
    """Take the undoubted pairs of a rule for certain, unless a stronger rule speaks for somebody else."""
    stronger = candidates.alias()
    for earlier in range(1, rank):
        at = stronger.c.rank == earlier
        same_one, same_other = stronger.c.user_id == candidates.c.user_id, stronger.c.other_id == candidates.c.other_id
        outranked = and_(exists().where(at, or_(same_one, same_other)), ~exists().where(at, same_one, same_other))
        connection.execute(
            update(candidates).where(candidates.c.rank == rank, candidates.c.doubt.is_(None), outranked).values(doubt="contradicted")
        )
    sure = select(candidates.c.user_id, candidates.c.other_id, literal(rank), literal(rule)).where(
        candidates.c.rank == rank, candidates.c.doubt.is_(None)
    )
    connection.execute(insert(certain).from_select(["user_id", "other_id", "rank", "rule"], sure))


def _keep_proposals(connection: Connection) -> None:
    """Of the candidates, leave each pair's strongest, and none of somebody who is certain now."""
    stronger = candidates.alias()
    again = and_(
        stronger.c.rank < candidates.c.rank, stronger.c.user_id == candidates.c.user_id, stronger.c.other_id == candidates.c.other_id
    )
    settled = or_(
        exists().where(certain.c.user_id == candidates.c.user_id),
        exists().where(certain.c.other_id == candidates.c.other_id),
    )
    connection.execute(delete(candidates).where(or_(settled, exists().where(again))))
