"""The OneRoster 1.1 and 1.2 rostering service (oneroster.md sections 1 to 5): addresses, parameters, pages,
errors.

What a record looks like is `oneroster_records.py`'s, how a sloppy provider spells it `habits.py`'s, and who
may ask is `oauth.py`'s.
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode
from zlib import crc32

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from syncd.sandbox.district import District, User, timestamp
from syncd.sandbox.habits import Habits, reshape
from syncd.sandbox.oauth import Access, Refused
from syncd.sandbox.oneroster_records import demographics, document, has_demographics, role_11, word_11

# resource -> (kind of ours, the value of `type` or the role that makes it a part of the kind, wrapper many,
# one)
RESOURCES: dict[str, tuple[str, str | None, str, str]] = {
    "orgs": ("orgs", None, "orgs", "org"),
    "schools": ("orgs", "school", "orgs", "org"),
    "academicSessions": ("terms", None, "academicSessions", "academicSession"),
    "terms": ("terms", "term", "academicSessions", "academicSession"),
    "gradingPeriods": ("terms", "gradingPeriod", "academicSessions", "academicSession"),
    "courses": ("courses", None, "courses", "course"),
    "classes": ("sections", None, "classes", "class"),
    "users": ("users", None, "users", "user"),
    "students": ("users", "student", "users", "user"),
    "teachers": ("users", "teacher", "users", "user"),
    "enrollments": ("enrollments", None, "enrollments", "enrollment"),
    "demographics": ("users", "demographics", "demographics", "demographics"),
}
BASES = {"1.1": "/ims/oneroster/v1p1", "1.2": "/ims/oneroster/rostering/v1p2"}
# The binding and the conformance guide do not agree on the name (oneroster.md section 1).
DISCOVERY = ("onerosterv1p2rostersservice_openapi3_v1p0.json", "imsorv1p2_rostering_openapi3_v1p0.json")
# The nested addresses of one parent; those of two are /schools/{id}/classes/{id}/ and one of IN_CLASS (section 2).
NESTED = {
    "schools": ("classes", "courses", "enrollments", "students", "teachers", "terms"),
    "classes": ("students", "teachers"),
    "courses": ("classes",),
    "terms": ("classes", "gradingPeriods"),
    "students": ("classes",),
    "teachers": ("classes",),
    "users": ("classes",),
}
IN_CLASS = ("enrollments", "students", "teachers")
COMMON = ["sourcedId", "status", "dateLastModified"]
SCALARS = {
    "orgs": ["name", "type", "identifier", "parent.sourcedId"],
    "terms": ["title", "type", "startDate", "endDate", "schoolYear", "parent.sourcedId"],
    "courses": ["title", "courseCode", "org.sourcedId", "schoolYear.sourcedId"],
    "sections": ["title", "classCode", "classType", "location", "course.sourcedId", "school.sourcedId"],
    "users": [
        "username",
        "enabledUser",
        "givenName",
        "familyName",
        "middleName",
        "identifier",
        "email",
        "phone",
        "sms",
    ],
    "users 1.1": ["role"],
    "users 1.2": ["userMasterIdentifier", "preferredFirstName", "preferredLastName", "primaryOrg.sourcedId"],
    "enrollments": [
        "role",
        "primary",
        "beginDate",
        "endDate",
        "class.sourcedId",
        "user.sourcedId",
        "school.sourcedId",
    ],
    "demographics": ["birthDate", "sex"],
}
OTHERS = {
    "orgs": ["parent"],
    "terms": ["parent"],
    "courses": ["org", "schoolYear", "grades", "subjects"],
    "sections": ["course", "school", "terms", "grades", "subjects", "periods"],
    "users": ["userIds", "grades", "agents"],
    "users 1.1": ["orgs"],
    "users 1.2": ["roles", "primaryOrg", "userProfiles"],
    "enrollments": ["class", "user", "school"],
    "demographics": [
        "americanIndianOrAlaskaNative",
        "asian",
        "blackOrAfricanAmerican",
        "nativeHawaiianOrOtherPacificIslander",
        "white",
        "demographicRaceTwoOrMoreRaces",
        "hispanicOrLatinoEthnicity",
    ],
}
CLAUSE = r"([A-Za-z0-9_.]+)(!=|>=|<=|=|>|<|~)'([^']*)'"
FILTER = re.compile(rf"{CLAUSE}(?: (AND|OR) {CLAUSE})?")
OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "=": lambda have, want: have == want,
    "!=": lambda have, want: have != want,
    ">": lambda have, want: have > want,
    ">=": lambda have, want: have >= want,
    "<": lambda have, want: have < want,
    "<=": lambda have, want: have <= want,
    "~": lambda have, want: want.lower() in have.lower(),
}

Keep = Callable[[Any], bool]


class _Refusal(Exception):
    def __init__(self, status: int, minor: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.minor = minor


class OneRoster:
    """The pretend OneRoster provider of one district, in one version (`1.1` or `1.2`)."""

    def __init__(self, district: District, habits: Habits, access: Access, version: str) -> None:
        self.district = district
        self.habits = habits
        self.access = access
        self.version = version

    async def data(self, request: Request) -> Response:
        """GET of anything under the rostering base."""
        path = [part for part in request.path_params["path"].split("/") if part]
        if self.version == "1.2" and len(path) == 2 and path[0] == "discovery" and path[1] in DISCOVERY:
            return _json(self._discovery(request))
        try:
            self._allow(request, path)
            with self.district.lock:
                return self._answer(path, request)
        except _Refusal as refusal:
            return self._refuse(refusal)

    def _allow(self, request: Request, path: list[str]) -> None:
        try:
            scopes = self.access.scopes_of(
                self.version,
                request.method,
                _place(request),
                request.url.query,
                request.headers.get("authorization", ""),
            )
        except Refused as refused:
            raise _Refusal(401, "unauthorisedrequest", str(refused)) from None
        if path[:1] == ["demographics"]:
            needed = {"roster-demographics.readonly"}
        elif len(path) > 2:
            needed = {"roster.readonly"}
        else:
            # The definition lists both, the intent is either (oneroster.md section 1).
            needed = {"roster.readonly", "roster-core.readonly"}
        if not needed & scopes:
            raise _Refusal(403, "forbidden", f"this token lacks the scope {' or '.join(sorted(needed))}")

    def _answer(self, path: list[str], request: Request) -> Response:
        match path:
            case [resource] if resource in RESOURCES:
                return self._list(resource, resource, None, request)
            case [resource, name] if resource in RESOURCES:
                return self._one(resource, name, request)
            case [parent, name, resource] if (found := self._nested(parent, name, resource)) is not None:
                return self._list(resource, f"{parent}/{name}/{resource}", found, request)
            case ["schools", school, "classes", name, resource] if resource in IN_CLASS:
                taught = self.district.sections.get(name)
                if taught is None or taught.school != school:
                    raise _Refusal(404, "unknownobject", "the school has no such class")
                return self._list(resource, "/".join(path), self._in_class(name, resource), request)
        raise _Refusal(404, "unknownobject", "no such resource")

    # -- one record ------------------------------------------------------------------------------------------

    def _one(self, resource: str, name: str, request: Request) -> Response:
        kind, _, _, wrapper = RESOURCES[resource]
        record = self.district.table(kind).get(name)
        if record is None or not self._listed(resource)(record):
            raise _Refusal(404, "unknownobject", "no record has this sourcedId")
        fields = self._fields(resource, request.query_params.get("fields"))
        return _json({wrapper: self._document(resource, record, self._base(request), fields)})

    def _base(self, request: Request) -> str:
        return f"{_origin(request)}{BASES[self.version]}"

    def _document(self, resource: str, record: Any, base: str, fields: list[str] | None) -> dict[str, Any]:
        found = reshape(self._plain(resource, record, base), self.habits, base)
        return found if fields is None else {name: found[name] for name in fields if name in found}

    def _plain(self, resource: str, record: Any, base: str) -> dict[str, Any]:
        if resource == "demographics":
            return demographics(record, self.version)
        return document(self.district, RESOURCES[resource][0], record, self.version, base)

    # -- lists -----------------------------------------------------------------------------------------------

    def _listed(self, resource: str) -> Keep:
        """Whether a record of the kind belongs to a resource."""
        part, version = RESOURCES[resource][1], self.version
        tombstones = self.habits.tombstones

        def listed(record: Any) -> bool:
            if record.gone and not tombstones:
                return False
            if part is None:
                return True
            if not isinstance(record, User):
                return bool(record.type == part)
            if part == "demographics":
                return has_demographics(record)
            return role_11(record) == part if version == "1.1" else any(role.role == part for role in record.roles)

        return listed

    def _nested(self, parent: str, name: str, resource: str) -> list[str] | None:
        """The ids under a parent. None if there is no such address; refuses an unknown parent."""
        district = self.district
        if resource not in NESTED.get(parent, ()):
            return None
        record = district.table(RESOURCES[parent][0]).get(name)
        if record is None or not self._listed(parent)(record):
            raise _Refusal(404, "unknownobject", "no record has this sourcedId")
        if parent == "classes":
            return self._in_class(name, resource)
        if resource == "gradingPeriods":
            return [found for found in district.ids("terms") if district.terms[found].parent == name]
        if resource == "courses":
            return [found for found in district.ids("courses") if district.courses[found].org == name]
        if resource == "terms":
            taught = [section for section in district.sections.values() if section.school == name]
            return sorted({term for section in taught for term in section.terms})
        if parent in ("users", "students", "teachers"):
            return sorted({found.section for found in district.of_user.get(name, ()) if not found.gone})
        if resource == "classes":
            return [
                found
                for found in district.ids("sections")
                if name
                in (
                    district.sections[found].school,
                    district.sections[found].course,
                    *district.sections[found].terms,
                )
            ]
        if resource == "enrollments":
            return [found for found in district.ids("enrollments") if district.sections[district.enrollments[found].section].school == name]
        return [
            found
            for found in district.ids("users")
            if any(role.org == name and role.role == resource[:-1] for role in district.users[found].roles)
        ]

    def _in_class(self, name: str, resource: str) -> list[str]:
        found = self.district.in_section.get(name, ())
        if resource == "enrollments":
            return sorted(enrollment.id for enrollment in found)
        return sorted({enrollment.user for enrollment in found if enrollment.role == resource[:-1] and not enrollment.gone})

    def _discovery(self, request: Request) -> dict[str, Any]:
        """What this provider serves, as an OpenAPI 3 document; for everybody, as it holds nothing of the district."""
        parents = [f"/{name}" for name in RESOURCES] + [f"/{name}/{{sourcedId}}" for name in RESOURCES]
        nested = [f"/{parent}/{{sourcedId}}/{name}" for parent, names in NESTED.items() for name in names]
        nested += [f"/schools/{{schoolSourcedId}}/classes/{{classSourcedId}}/{name}" for name in IN_CLASS]
        return {
            "openapi": "3.0.1",
            "info": {"title": "OneRoster Rostering Service", "version": "1.2"},
            "servers": [{"url": self._base(request)}],
            "paths": {path: {"get": {"responses": {"200": {"description": "as the standard says"}}}} for path in parents + nested},
        }

    def _list(self, resource: str, path: str, only: list[str] | None, request: Request) -> Response:
        asked = dict(parse_qsl(request.url.query, keep_blank_values=True))
        kind, _, wrapper, _ = RESOURCES[resource]
        limit = self._number(asked, "limit", 100, 1)
        offset = 0 if request.scope.get("sandbox.first_page") else self._number(asked, "offset", 0, 0)
        fields = self._fields(resource, asked.get("fields"))
        keep = self._filter(resource, asked.get("filter"))
        key = (
            "oneroster",
            self.version,
            path,
            asked.get("filter") if keep else None,
            asked.get("sort"),
            asked.get("orderBy"),
            self.habits.tombstones,
            self.habits.filter_hours,
        )
        ids = self.district.view(key, lambda: self._select(resource, only, keep, asked))
        if self.habits.cap is not None:
            limit = min(limit, self.habits.cap)
        # One record of each page was on the page before: the list seems longer by that much.
        start = offset - offset // limit if self.habits.repeat else offset
        table, base = self.district.table(kind), self._base(request)
        body = {wrapper: [self._document(resource, table[name], base, fields) for name in ids[start : start + limit]]}
        answer = _json(body, headers=self._headers(request, asked, limit, offset, len(ids)))
        return _marked(request, answer) if self.habits.etags else answer

    def _select(self, resource: str, only: list[str] | None, keep: Keep | None, asked: dict[str, str]) -> list[str]:
        kind = RESOURCES[resource][0]
        table, listed = self.district.table(kind), self._listed(resource)
        ids = [
            name
            for name in (self.district.ids(kind) if only is None else only)
            if listed(table[name]) and (keep is None or keep(table[name]))
        ]
        sort, order = asked.get("sort") or "sourcedId", asked.get("orderBy", "asc")
        if order not in ("asc", "desc"):
            raise _Refusal(400, "invalid_sort_field", "orderBy is asc or desc")
        if sort not in self._scalars(resource):
            raise _Refusal(
                400,
                "invalid_sort_field" if self.version == "1.1" else "invalid_selection_field",
                "this resource can not be sorted by that field",
            )
        if sort != "sourcedId":
            ids.sort(key=lambda name: _value(self._plain(resource, table[name], ""), sort))
        return ids[::-1] if order == "desc" else ids

    def _number(self, asked: dict[str, str], name: str, default: int, least: int) -> int:
        text = asked.get(name, str(default))
        if not text.isascii() or not text.isdigit() or int(text) < least:
            raise _Refusal(
                400,
                f"invalid_{name}_field" if self.version == "1.1" else "invalid_selection_field",
                f"{name} is a whole number of at least {least}",
            )
        return int(text)

    def _scalars(self, resource: str) -> list[str]:
        return COMMON + self._known(resource, SCALARS)

    def _known(self, resource: str, table: dict[str, list[str]]) -> list[str]:
        kind = "demographics" if resource == "demographics" else RESOURCES[resource][0]
        return table[kind] + table.get(f"{kind} {self.version}", [])

    def _fields(self, resource: str, asked: str | None) -> list[str] | None:
        if asked is None:
            return None
        names = [name.strip() for name in asked.split(",")]
        known = set(self._scalars(resource)) | set(self._known(resource, OTHERS))
        if not all(name in known and "." not in name for name in names):
            raise _Refusal(400, "invalid_selection_field", "fields names a field that this resource lacks")
        return names

    def _filter(self, resource: str, asked: str | None) -> Keep | None:
        """The filter as a function of a record; None when there is none (oneroster.md section 3)."""
        if asked is None or self.habits.filter == "ignore":
            return None
        if self.habits.filter == "refuse":
            raise _Refusal(400, "invalid_filter_field", "this provider takes no filter")
        match = FILTER.fullmatch(asked)
        if match is None:
            raise _Refusal(400, "invalid_filter_field", "the filter can not be read")
        first = self._clause(resource, *match.group(1, 2, 3))
        if match.group(4) is None:
            return first
        second = self._clause(resource, *match.group(5, 6, 7))
        if match.group(4) == "AND":
            return lambda record: first(record) and second(record)
        return lambda record: first(record) or second(record)

    def _clause(self, resource: str, field: str, operator: str, value: str) -> Keep:
        if field not in self._scalars(resource):
            raise _Refusal(400, "invalid_filter_field", "this resource can not be filtered by that field")
        compare = OPERATORS[operator]
        # The three that a sync asks for are answered from the record: a large list would else be spelt out
        # for each.
        if field == "dateLastModified":
            wanted = _instant(value, self.habits.filter_hours)
            return lambda record: compare(timestamp(record.modified), wanted)
        if field == "status":
            word = "tobedeleted" if value == "inactive" else value
            return lambda record: compare("tobedeleted" if record.gone else "active", word)
        if field == "sourcedId":
            return lambda record: compare(record.id, value)
        if field == "role" and resource in ("users", "students", "teachers"):
            return lambda record: compare(word_11(record) or "", value)
        return lambda record: compare(_value(self._plain(resource, record, ""), field), value)

    def _headers(self, request: Request, asked: dict[str, str], limit: int, offset: int, total: int) -> dict[str, str]:
        headers = {}
        if self.habits.total_count:
            headers["X-Total-Count"] = str(total)
        if self.habits.link:
            place = _place(request)
            last = max(0, (total - 1) // limit * limit)
            places = {"first": 0, "last": last}
            if offset > 0:
                places["prev"] = max(0, offset - limit)
            if offset + limit < total:
                places["next"] = offset + limit
            rest = {name: value for name, value in asked.items() if name not in ("limit", "offset")}
            headers["Link"] = ", ".join(
                f'<{place}?{urlencode({**rest, "limit": limit, "offset": where})}>; rel="{rel}"' for rel, where in places.items()
            )
        return headers

    # -- errors ----------------------------------------------------------------------------------------------

    def _refuse(self, refusal: _Refusal) -> Response:
        """The two shapes of oneroster.md section 4."""
        if self.version == "1.1":
            spaced = {"unknownobject": "unknown object", "unauthorisedrequest": "unauthorized"}
            body: dict[str, Any] = {
                "statusInfoSet": [
                    {
                        "imsx_codeMajor": "failure",
                        "imsx_severity": "error",
                        "imsx_codeMinor": spaced.get(refusal.minor, refusal.minor),
                        "imsx_description": str(refusal),
                    }
                ]
            }
        else:
            body = {
                "imsx_codeMajor": "failure",
                "imsx_severity": "error",
                "imsx_description": str(refusal),
                "imsx_CodeMinor": {
                    "imsx_codeMinorField": [
                        {
                            "imsx_codeMinorFieldName": "TargetEndSystem",
                            "imsx_codeMinorFieldValue": refusal.minor,
                        }
                    ]
                },
            }
        headers = {"WWW-Authenticate": "Bearer"} if refusal.status == 401 else {}
        return _json(body, refusal.status, headers)


def _origin(request: Request) -> str:
    return f"{request.url.scheme}://{request.headers.get('host', '')}"


def _place(request: Request) -> str:
    """The address without its query, byte for byte as it was asked for: this is what a client signs."""
    return f"{_origin(request)}{request.scope['raw_path'].decode('latin-1')}"


def _value(found: dict[str, Any], field: str) -> str:
    """The text of a field, dotted ones through references; no value is the empty text."""
    value: Any = found
    for name in field.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def _instant(value: str, hours_east: int) -> str:
    """A time in a filter, with or without milliseconds, as we write it; taken for one of a zone east of UTC."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        value = f"{value}T00:00:00Z"
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", value)
    if match is None:
        raise _Refusal(400, "invalid_filter_field", "dateLastModified is compared with a UTC time")
    moved = datetime.fromisoformat(match.group(1)) - timedelta(hours=hours_east)
    return f"{moved.isoformat()}.{(match.group(2) or '0')[:3].ljust(3, '0')}Z"


def _marked(request: Request, answer: Response) -> Response:
    """The answer with an ETag, or word that it is what it was (RFC 9110, section 13.1.2)."""
    answer.headers["ETag"] = etag = f'"{crc32(answer.body):08x}"'
    if request.headers.get("if-none-match") != etag:
        return answer
    return Response(status_code=304, headers={"ETag": etag})


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(body), status, headers, "application/json")
