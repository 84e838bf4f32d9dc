"""Clever's Data and Events API, versions 3.0 and 3.1, as its documentation tells it (clever-api.md sections 1
to 3, 6).

Owns addresses, envelopes, cursors, links and the count of requests; what a record looks like is
`clever_records.py`'s.
"""

import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from html import escape
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from syncd.sandbox.clever_records import document, older
from syncd.sandbox.district import (
    FACET_OF_ROLE,
    District,
    Event,
    User,
    clever_id_of,
    facets,
    timestamp,
)
from syncd.sandbox.habits import Habits
from syncd.sandbox.oauth import Access

LARGEST = 10_000
KEPT = 30 * 86_400_000  # milliseconds that an event is to be had (section 6)
RESOURCES = {
    "districts": "orgs",
    "schools": "orgs",
    "terms": "terms",
    "courses": "courses",
    "sections": "sections",
    "users": "users",
}
ROLES = {
    "student": "student",
    "teacher": "teacher",
    "staff": "staff",
    "district_admin": "district_admin",
    "contact": "guardian",
}

Query = list[tuple[str, str]]


class _Refusal(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Clever:
    """The pretend Clever of one district."""

    def __init__(self, district: District, habits: Habits, access: Access) -> None:
        self.district = district
        self.habits = habits
        self.access = access
        self._minute = 0
        self._used = 0

    async def tokens(self, request: Request) -> Response:
        """GET /oauth/tokens: the district's token, for client id and secret (section 1)."""
        if not self.access.check_basic(request.headers.get("authorization", "")):
            return _json({"message": "Unauthorized"}, 401)
        with self.district.lock:
            top = self.district.district()
            wanted = request.query_params.get("district")
            if "owner_type" not in request.query_params and wanted is None:
                return _json({"message": "owner_type or district is needed"}, 400)
            if top is None or wanted not in (None, top.clever_id):
                return _json({"data": [], "links": []})
            return _json(
                {
                    "data": [
                        {
                            "id": top.clever_id[::-1],
                            "created": timestamp(top.created),
                            "access_token": self.access.token,
                            "owner": {"type": "district", "id": top.clever_id},
                            "scopes": [
                                "read:district_admins",
                                "read:students",
                                "read:teachers",
                                "read:sections",
                            ],
                        }
                    ],
                    "links": [],
                }
            )

    async def data(self, request: Request) -> Response:
        """GET /v3.0/… and /v3.1/…"""
        version = request.path_params["version"]
        path = [part for part in request.path_params["path"].split("/") if part]
        if version not in ("3.0", "3.1"):
            return _nowhere(request)
        if not self.access.check_clever(request.headers.get("authorization", "")):
            return _json({"message": "Unauthorized"}, 401)
        headers, allowed = self._count()
        if not allowed:
            return _json({"message": "Rate limit exceeded"}, 429, headers)
        query = parse_qsl(request.url.query, keep_blank_values=True)
        if request.scope.get("sandbox.first_page"):
            query = [(name, value) for name, value in query if name not in ("starting_after", "ending_before")]
        try:
            with self.district.lock:
                body = self._answer(version, path, query, request)
        except _Refusal as refusal:
            return _json({"message": str(refusal)}, refusal.status, headers)
        if body is None:
            return _nowhere(request)
        return Response(body, 200, headers, "application/json")

    def _count(self) -> tuple[dict[str, str], bool]:
        """The rate limit: a count that starts anew each minute (section 3)."""
        minute = int(time.time()) // 60
        if minute != self._minute:
            self._minute, self._used = minute, 0
        self._used += 1
        limit = self.habits.rate_limit
        return {
            "X-RateLimit-Bucket": "district-token",
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(max(0, limit - self._used)),
            "X-RateLimit-Reset": str((minute + 1) * 60),
        }, self._used <= limit

    def _answer(self, version: str, path: list[str], query: Query, request: Request) -> bytes | None:
        root = f"/v{version}"
        match path:
            case ["events"]:
                return self._events(version, query, request)
            case ["events", name]:
                found = [
                    event
                    for event in self.district.events
                    if event.id == name and self.habits.events and not (event.newer_only and version == "3.0")
                ]
                if not found:
                    raise _Refusal(404, "Resource not found")
                return msgspec.json.encode(
                    {
                        "data": _event(found[0], version),
                        "links": [{"rel": "self", "uri": f"{root}/events/{name}"}],
                    }
                )
            case [resource] if resource in RESOURCES:
                return self._list(version, resource, self._ids(resource, query), query, request)
            case [resource, name] if resource in RESOURCES:
                record, facet = self._one(resource, name)
                body = self._document(version, RESOURCES[resource], record, facet)
                return msgspec.json.encode({"data": body, "links": [{"rel": "self", "uri": f"{root}/{resource}/{name}"}]})
            case [parent, name, resource] if parent in RESOURCES and resource in RESOURCES:
                record, facet = self._one(parent, name)
                ids = self._nested(parent, record, facet, resource, query)
                return None if ids is None else self._list(version, resource, ids, query, request)
            case ["users", name, "mycontacts" | "mystudents" | "myteachers" as relation]:
                user, facet = self._one("users", name)
                return self._list(version, "users", self._related(user, facet, relation), query, request)
        return None

    def _one(self, resource: str, name: str) -> tuple[Any, str]:
        found = self.district.clever_record(RESOURCES[resource], name)
        if found is None or (resource in ("districts", "schools") and found[0].type != resource[:-1]):
            raise _Refusal(404, "Resource not found")
        return found

    def _document(self, version: str, kind: str, record: Any, facet: str) -> dict[str, Any]:
        found = document(self.district, kind, record, facet)
        return older(kind, found) if version == "3.0" else found

    # -- which ids -------------------------------------------------------------------------------------------

    def _ids(self, resource: str, query: Query) -> list[str]:
        district = self.district
        everyone = district.clever_ids(RESOURCES[resource])
        if resource in ("districts", "schools"):
            return district.view(
                ("clever", resource),
                lambda: [name for name in everyone if self._org_type(name) == resource[:-1]],
            )
        if resource == "users" and (role := dict(query).get("role")):
            return self._with_role(everyone, role, ("clever users", role))
        return everyone

    def _org_type(self, name: str) -> str:
        found = self.district.clever_record("orgs", name)
        return found[0].type if found else ""

    def _with_role(self, ids: list[str], role: str, key: Any) -> list[str]:
        if role not in ROLES:
            raise _Refusal(400, "Unknown role")

        def build() -> list[str]:
            kept = []
            for name in ids:
                found = self.district.clever_record("users", name)
                if found and any(held.role == ROLES[role] and FACET_OF_ROLE[held.role] == found[1] for held in found[0].roles):
                    kept.append(name)
            return kept

        return self.district.view(key, build)

    def _nested(self, parent: str, record: Any, facet: str, resource: str, query: Query) -> list[str] | None:
        """The ids under a school, section or user; None if Clever has no such address."""
        district = self.district
        if parent == "schools" and resource == "users":
            asked = dict(query)
            primary, role = asked.get("primary") == "true", asked.get("role")
            key = ("clever school users", record.id, primary)
            ids = district.view(key, lambda: sorted(self._of_school(record.id, primary)))
            return self._with_role(ids, role, (*key, role)) if role else ids
        if parent == "schools" and resource in ("sections", "courses", "terms"):
            sections = [found for found in district.sections.values() if found.school == record.id and not found.gone]
            if resource == "sections":
                return sorted(found.clever_id for found in sections)
            named = {
                name for found in sections for name in (found.terms if resource == "terms" else [found.course] if found.course else [])
            }
            table = district.table(resource)
            wanted = {table[name].clever_id for name in named if name in table}
            return [name for name in district.clever_ids(resource) if name in wanted]
        if parent == "sections" and resource == "users":
            asked_role = dict(query).get("role")
            ids = sorted(
                {
                    clever_id_of(district.users[found.user], FACET_OF_ROLE[found.role])
                    for found in district.in_section.get(record.id, ())
                    if not found.gone and found.role in ("student", "teacher")
                }
            )
            return self._with_role(ids, asked_role, ("clever section", record.id, asked_role)) if asked_role else ids
        if parent == "users" and resource == "sections":
            roles = {"student"} if facet == "student" else {"teacher"} if facet == "adult" else set()
            return sorted(
                {
                    district.sections[found.section].clever_id
                    for found in district.of_user.get(record.id, ())
                    if not found.gone and found.role in roles
                }
            )
        if parent == "users" and resource == "schools":
            orgs = {role.org for role in record.roles if FACET_OF_ROLE.get(role.role) == facet and facet != "contact"}
            return sorted(district.orgs[name].clever_id for name in orgs if name in district.orgs and district.orgs[name].type == "school")
        return None

    def _of_school(self, school: str, primary: bool) -> set[str]:
        """A school's users, those enrolled there on the side included unless `primary` (section 2)."""
        found = set()
        for name in self.district.clever_ids("users"):
            user, facet = self.district.clever_record("users", name) or (None, "")
            if user is None or facet == "contact":
                continue
            for role in user.roles:
                if (
                    role.org == school
                    and FACET_OF_ROLE.get(role.role) == facet
                    and not (primary and user.primary_org not in (None, school))
                ):
                    found.add(name)
        return found

    def _related(self, user: User, facet: str, relation: str) -> list[str]:
        district = self.district
        if relation == "mycontacts":
            people = [district.users[link.id] for link in user.guardians if link.id in district.users]
            return sorted(
                {clever_id_of(found, "contact") for found in people if not found.gone and "contact" in facets(found)}
                if facet == "student"
                else set()
            )
        if facet == "contact":
            return sorted(
                {clever_id_of(child, "student") for child in district.active_children(user)} if relation == "mystudents" else set()
            )
        mine = "student" if facet == "student" else "teacher"
        wanted = "student" if relation == "mystudents" else "teacher"
        if mine == wanted:
            return []
        sections = {found.section for found in district.of_user.get(user.id, ()) if not found.gone and found.role == mine}
        return sorted(
            {
                clever_id_of(district.users[found.user], FACET_OF_ROLE[wanted])
                for name in sections
                for found in district.in_section[name]
                if not found.gone and found.role == wanted
            }
        )

    # -- pages -----------------------------------------------------------------------------------------------

    def _list(self, version: str, resource: str, ids: list[str], query: Query, request: Request) -> bytes:
        kind, root = RESOURCES[resource], f"/v{version}"

        def entry(name: str) -> dict[str, Any]:
            record, facet = self.district.clever_record(kind, name) or (None, "")
            return {"data": self._document(version, kind, record, facet), "uri": f"{root}/{resource}/{name}"}

        return _page(ids, query, request.url.path, entry)

    def _events(self, version: str, query: Query, request: Request) -> bytes:
        asked = dict(query)
        kinds = {value for name, value in query if name == "record_type" and value}
        school = asked.get("school")
        oldest = self.district.clock - KEPT

        def build() -> dict[str, Event]:
            return {
                event.id: event
                for event in self.district.events
                if self.habits.events
                and event.created >= oldest
                and (not kinds or event.kind in kinds)
                and (school is None or school in _schools_of(event))
                and not (event.newer_only and version == "3.0")
            }

        found = self.district.view(("events", version, tuple(sorted(kinds)), school, self.habits.events, self.district.day), build)
        return _page(
            list(found),
            query,
            request.url.path,
            lambda name: {"data": _event(found[name], version), "uri": f"/v{version}/events/{name}"},
        )


def _event(event: Event, version: str) -> dict[str, Any]:
    kind = "orgs" if event.kind in ("districts", "schools") else event.kind
    old = version == "3.0"
    return {
        "id": event.id,
        "type": f"{event.kind}.{event.verb}",
        "created": timestamp(event.created),
        "data": {"object": older(kind, event.object) if old else event.object},
        "previous_attributes": older(kind, event.previous) if old else event.previous,
    }


def _schools_of(event: Event) -> set[str]:
    """The schools that an event is about."""
    found = event.object
    if event.kind == "schools":
        return {found["id"]}
    schools = {found.get("school") or ""}
    for role in (found.get("roles") or {}).values():
        schools.update(role.get("schools") or ())
    return schools


def _page(ids: list[str], query: Query, path: str, entry: Callable[[str], dict[str, Any]]) -> bytes:
    """One page with its links. A cursor need not exist any more: ids ascend, so its place is known."""
    asked = dict(query)
    try:
        limit = int(asked.get("limit", "100"))
    except ValueError:
        raise _Refusal(400, "limit is not a number") from None
    if limit > LARGEST:
        raise _Refusal(413, f"limit is at most {LARGEST}")
    if limit < 1:
        raise _Refusal(400, "limit is at least 1")
    after, before = asked.get("starting_after"), asked.get("ending_before")
    if after is not None and before is not None:
        raise _Refusal(400, "starting_after and ending_before do not go together")
    if before is not None:
        stop = len(ids) if before == "last" else bisect_left(ids, before)
        start = max(0, stop - limit)
    else:
        start = bisect_right(ids, after) if after else 0
        stop = min(len(ids), start + limit)
    chosen = ids[start:stop]
    rest = [(name, value) for name, value in query if name not in ("starting_after", "ending_before")]
    links = [{"rel": "self", "uri": f"{path}?{urlencode(query)}" if query else path}]
    if stop < len(ids) and chosen:
        links.append({"rel": "next", "uri": f"{path}?{urlencode([*rest, ('starting_after', chosen[-1])])}"})
    if start > 0 and chosen:
        links.append({"rel": "prev", "uri": f"{path}?{urlencode([*rest, ('ending_before', chosen[0])])}"})
    body: dict[str, Any] = {"data": [entry(name) for name in chosen], "links": links}
    if asked.get("count") == "true":
        body["count"] = len(ids)
    return msgspec.json.encode(body)


def _nowhere(request: Request) -> Response:
    """A wrong address is answered in HTML (section 2)."""
    return HTMLResponse(f"<html><body>Cannot GET {escape(request.url.path)}</body></html>", 404)


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(body), status, headers, "application/json")
