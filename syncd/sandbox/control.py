"""The remote control under /_sandbox: let days pass, change records, set habits, arm faults, ask what to
expect.

JSON in and out, for loopback only and without a password: this is a toy to play with, not a service. It calls
the same `Controls` that a test in the same process uses.

Records are given in the sandbox's own terms: the fields of the classes in `district.py`, ids being
OneRoster's.
"""

import ipaddress
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from syncd.sandbox.changes import Change, give_guardians, remove
from syncd.sandbox.days import live
from syncd.sandbox.district import KINDS, RECORD_OF_KIND, District, Enrollment, Guardian, User
from syncd.sandbox.expected import expected
from syncd.sandbox.faults import Faults, fault
from syncd.sandbox.habits import Habits
from syncd.sandbox.oauth import Access
from syncd.sandbox.scenarios import SCENARIOS, rehearse

OURS = {"id", "clever_id", "clever_facet", "clever_more", "created", "modified", "clever_modified", "left_on"}
DAYS = {"first_day", "last_day", "birth_date"}
REMEMBERED = 10_000  # requests


class Seen(msgspec.Struct, kw_only=True, frozen=True):
    """A request that a provider answered: no header and no body of it is kept."""

    method: str
    path: str
    query: str
    status: int | None


class Requests:
    """ASGI around the providers that remembers the last requests; those under /_sandbox do not count."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.count = 0
        self.seen: deque[Seen] = deque(maxlen=REMEMBERED)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith("/_sandbox"):
            await self.app(scope, receive, send)
            return
        status: int | None = None

        async def watch(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._note(scope, status)
            await send(message)

        self.count += 1
        await self.app(scope, receive, watch)
        if status is None:
            self._note(scope, None)

    def _note(self, scope: Scope, status: int | None) -> None:
        self.seen.append(
            Seen(
                method=scope["method"],
                path=scope["path"],
                query=scope["query_string"].decode("latin-1"),
                status=status,
            )
        )


class Controls:
    """What can be done to a sandbox while it runs."""

    def __init__(self, district: District, habits: Habits, access: Access, faults: Faults, requests: Requests) -> None:
        self.district = district
        self.habits = habits
        self.access = access
        self.faults = faults
        self.requests = requests

    def state(self) -> dict[str, Any]:
        """Day, date, active records by kind, events and requests so far."""
        with self.district.lock:
            return {
                "day": self.district.day,
                "date": self.district.date.isoformat(),
                "counts": self.district.counts(),
                "events": len(self.district.events),
                "requests": self.requests.count,
                "faults": len(self.faults.armed),
                "habits": msgspec.structs.asdict(self.habits),
            }

    def day(self, days: int = 1) -> dict[str, int]:
        """Let school days pass; counts what happened. Raises ValueError for a negative number."""
        return live(self.district, days)

    def rehearse(self, name: str) -> None:
        """Let a scenario happen (`scenarios.py`). Raises ValueError for an unknown one."""
        rehearse(name, self.district, self.faults)

    def put(self, kind: str, fields: dict[str, Any]) -> Any:
        """Add a record, or change the given fields of the one with that `id` (a removed one comes back).

        Returns the record. Raises ValueError for an unknown kind, field, type or reference.
        """
        _known(kind)
        with self.district.lock:
            old = self.district.table(kind).get(fields.get("id") or "")
            new = self._record(kind, old, fields)
            with Change(self.district) as change:
                return self._change(change, kind, old, new) if old is not None else self._add(change, kind, new)

    def delete(self, kind: str, name: str) -> None:
        """Remove a record, with what can not be without it. Raises KeyError when there is none."""
        _known(kind)
        with self.district.lock:
            record = self.district.table(kind)[name]
            if record.gone:
                raise KeyError(name)
            with Change(self.district) as change:
                remove(change, kind, record)

    def expected(
        self,
        as_: str,
        kind: str,
        status: str = "active",
        *,
        demographics: bool = False,
    ) -> list[dict[str, Any]]:
        """The neutral roster that a correct sync ends up with; see `expected.expected`."""
        return expected(self.district, self.habits, as_, kind, status, demographics=demographics)

    def _record(self, kind: str, old: Any, fields: dict[str, Any]) -> Any:
        sort = RECORD_OF_KIND[kind]
        unknown = set(fields) - (set(sort.__struct_fields__) - OURS | {"id"})
        if unknown:
            raise ValueError(f"{kind} have no field {', '.join(sorted(unknown))}")
        known = {"id": "", "gone": False} if old is None else {**msgspec.to_builtins(old), "gone": False}
        try:
            new = msgspec.convert({**known, **fields}, sort)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from error
        for name in DAYS & set(sort.__struct_fields__):
            if (day := getattr(new, name)) is not None:
                date.fromisoformat(day)
        self._resolve(kind, new)
        return new

    def _resolve(self, kind: str, new: Any) -> None:
        wanted: list[tuple[str, str | None]] = []
        if kind == "enrollments":
            wanted = [("sections", new.section), ("users", new.user)]
        elif kind == "users":
            wanted = [("users", link.id) for link in new.guardians] + [("orgs", role.org) for role in new.roles]
            wanted.append(("orgs", new.primary_org))
        elif kind == "sections":
            wanted = [("orgs", new.school), ("courses", new.course), *(("terms", name) for name in new.terms)]
        elif kind == "courses":
            wanted = [("orgs", new.org), ("terms", new.school_year)]
        else:
            wanted = [(kind, new.parent)]
        for other, name in wanted:
            if name is not None and name not in self.district.table(other):
                raise ValueError(f"there is no {name} among the {other}")

    def _add(self, change: Change, kind: str, new: Any) -> Any:
        links: list[Guardian] = []
        if isinstance(new, User):
            links, new.guardians = new.guardians, []
        change.add(kind, new)
        if links:
            give_guardians(change, new, links)
        return new

    def _change(self, change: Change, kind: str, old: Any, new: Any) -> Any:
        if isinstance(old, Enrollment) and (old.section, old.user) != (new.section, new.user):
            raise ValueError("an enrollment stays with its section and user: remove it and add another")
        if isinstance(old, User):
            # A family is touched before anybody in it changes: whether the student is here is part of how
            # they read.
            for link in [*old.guardians, *new.guardians]:
                change.touch("users", self.district.users[link.id])
            for child in self.district.active_children(old):
                change.touch("users", child)
        change.touch(kind, old)
        for name in old.__struct_fields__:
            if name not in OURS and name != "guardians":
                setattr(old, name, getattr(new, name))
        if isinstance(old, User):
            old.left_on = old.left_on if old.gone else None
            if old.guardians or new.guardians:
                give_guardians(change, old, new.guardians)
        return old


def _known(kind: str) -> None:
    if kind not in KINDS:
        raise ValueError(f"kind is one of {', '.join(KINDS)}, not {kind}")


# -- HTTP ----------------------------------------------------------------------------------------------------


def routes(controls: Controls) -> list[Route]:
    """The addresses of the remote control."""

    async def state(_: Request) -> Any:
        return controls.state()

    async def day(request: Request) -> Any:
        body = await _body(request)
        days = body.get("days", 1)
        if not isinstance(days, int) or isinstance(days, bool):
            raise ValueError("days is a whole number")
        return {"happened": controls.day(days), "day": controls.district.day}

    async def scenarios(_: Request) -> Any:
        return {"scenarios": {name: (function.__doc__ or "").strip() for name, function in SCENARIOS.items()}}

    async def happen(request: Request) -> Any:
        controls.rehearse(request.path_params["name"])
        return {"happened": request.path_params["name"], "counts": controls.state()["counts"]}

    async def put(request: Request) -> Any:
        record = controls.put(request.path_params["kind"], await _body(request))
        return {"record": msgspec.to_builtins(record)}

    async def get(request: Request) -> Any:
        _known(request.path_params["kind"])
        with controls.district.lock:
            record = controls.district.table(request.path_params["kind"])[request.path_params["id"]]
            return {"record": msgspec.to_builtins(record)}

    async def delete(request: Request) -> Any:
        controls.delete(request.path_params["kind"], request.path_params["id"])
        return {"removed": request.path_params["id"]}

    async def habits(request: Request) -> Any:
        controls.habits.set(await _body(request))
        return {"habits": msgspec.structs.asdict(controls.habits)}

    async def arm(request: Request) -> Any:
        controls.faults.arm(fault(await _body(request)))
        return {"faults": len(controls.faults.armed)}

    async def faults(_: Request) -> Any:
        return {"faults": [msgspec.to_builtins(found) for found in controls.faults.armed]}

    async def clear(_: Request) -> Any:
        controls.faults.clear()
        return {"faults": 0}

    async def revoke(_: Request) -> Any:
        controls.access.revoke()
        return {"tokens": 0}

    async def requests(_: Request) -> Any:
        return {"requests": [msgspec.structs.asdict(seen) for seen in controls.requests.seen]}

    async def expect(request: Request) -> Any:
        asked = request.query_params
        return {
            "records": controls.expected(
                asked.get("as", ""),
                asked.get("kind", ""),
                asked.get("status", "active"),
                demographics=asked.get("demographics") == "true",
            )
        }

    return [
        _route("/_sandbox/state", "GET", state),
        _route("/_sandbox/day", "POST", day),
        _route("/_sandbox/scenarios", "GET", scenarios),
        _route("/_sandbox/scenarios/{name}", "POST", happen),
        _route("/_sandbox/records/{kind}", "POST", put),
        _route("/_sandbox/records/{kind}/{id:path}", "GET", get),
        _route("/_sandbox/records/{kind}/{id:path}", "DELETE", delete),
        _route("/_sandbox/habits", "POST", habits),
        _route("/_sandbox/faults", "POST", arm),
        _route("/_sandbox/faults", "GET", faults),
        _route("/_sandbox/faults", "DELETE", clear),
        _route("/_sandbox/tokens", "DELETE", revoke),
        _route("/_sandbox/requests", "GET", requests),
        _route("/_sandbox/expected", "GET", expect),
    ]


def _route(path: str, method: str, answer: Callable[[Request], Awaitable[Any]]) -> Route:
    async def endpoint(request: Request) -> Response:
        if not _is_loopback(request):
            return _json({"message": "only from this machine"}, 403)
        try:
            return _json(await answer(request), 200)
        except KeyError:
            return _json({"message": "no such record"}, 404)
        except (ValueError, msgspec.MsgspecError) as error:
            return _json({"message": str(error)}, 400)

    return Route(path, endpoint, methods=[method])


def _is_loopback(request: Request) -> bool:
    """From this machine, and not by way of a web page that a browser here has open (those send Origin)."""
    try:
        here = request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
    return here and "origin" not in request.headers


async def _body(request: Request) -> dict[str, Any]:
    raw = await request.body()
    body = msgspec.json.decode(raw) if raw else {}
    if not isinstance(body, dict):
        raise ValueError("the body is a JSON object")
    return body


def _json(body: Any, status: int) -> Response:
    return Response(msgspec.json.encode(body), status, None, "application/json")
