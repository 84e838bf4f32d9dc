"""How a page is made: the frame around it, how times and numbers are told, what an error looks like."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from starlette.responses import HTMLResponse

from syncd import __version__
from syncd.account import Role, Who
from syncd.console.api.answers import Problem
from syncd.console.who import cookie_name, csrf, site
from syncd.observe.logs import escaped
from syncd.report import RunReport, State
from syncd.roster.kinds import PLURALS
from syncd.words import VERBS, ago, because, held_sentence, link_reason

# What a form did, said on the page that it leads to.
DONE = {
    "paused": "Paused: it is not pulled by its schedule until somebody resumes it. A sync by hand works all the same.",
    "resumed": "Resumed: it is pulled by its schedule again.",
    "rejected": "Rejected: what was held is dropped. The next full pull looks again, and holds again what is still so.",
    "saved": "Saved. It holds from now on; nothing has to be started anew.",
    "removed": "Removed: it is no longer pulled. Its roster is kept.",
    "on": "Switched on: the daemon pulls it by its schedule from now on.",
    "entered": "Entered. No sync of another source will ever change it.",
    "deactivated": "Deactivated. Nothing is deleted: undoing the run brings it back.",
    "off": "Switched off: the daemon no longer pulls it. Its roster is kept.",
}
# How words of state are coloured; "off" for all others.
_WORDS = {
    "good": ("up to date", "applied", "create", "reactivate", "active", "linked", "done"),
    "busy": ("running", "planned", "update"),
    "wait": ("waits for you", "late", "held", "rekey", "proposed", "warning"),
    "bad": ("failed", "deactivate", "error", "critical"),
}
TONES = {word: tone for tone, words in _WORDS.items() for word in words}


class _Asked(dict[str, str]):
    """What stands in the address; nothing for what does not."""

    def __missing__(self, name: str) -> str:
        return ""


def render(request: Request, template: str, who: Who | None = None, *, code: int = 200, **values: Any) -> HTMLResponse:
    """A page. who: whoever looks at it, with whose role it knows which forms to show."""
    cookie = request.cookies.get(cookie_name(request), "")
    common = {
        "who": who,
        "may": lambda role: who is not None and who.role.covers(Role(role)),
        "csrf": csrf(cookie) if cookie else "",
        "here": request.url.path,
        "asked": _Asked(request.query_params),
        "done": DONE.get(request.query_params.get("done", "")),
        "version": __version__,
    }
    return HTMLResponse(_pages.get_template(template).render(common | {"code": code} | values), code)


async def filled_in(request: Request) -> dict[str, str]:
    """What was entered into a form, but for its files."""
    return {name: value for name, value in (await request.form()).items() if isinstance(value, str)}


def go(path: str, *, done: str | None = None) -> Response:
    """Lead to a page of the console, after a form was sent."""
    return RedirectResponse(f"{path}?done={done}" if done else path, 303)


def wants_page(request: Request) -> bool:
    """Whether whoever asks is a person with a browser, and not a program."""
    return not request.url.path.startswith("/api/") and "text/html" in request.headers.get("accept", "")


def problem_page(request: Request, status: int, problem: Problem) -> Response:
    """An error, told on a page; who is not signed in is led to the page where they can."""
    if status == 401:
        path = request.url.path if request.method == "GET" else "/"
        query = f"?{request.url.query}" if request.method == "GET" and request.url.query else ""
        return RedirectResponse(f"/signin?{urlencode({'next': path + query})}", 303)
    return render(request, "problem.html", code=status, problem=problem)


def confirm_page(request: Request, status: int, problem: str, sent: Mapping[str, Any]) -> Response:
    """The same form once more, with what was sent, and a field for the password."""
    fields = {name: value for name, value in sent.items() if isinstance(value, str) and name not in ("csrf", "password")}
    next = request.url.path.rsplit("/", 1)[0]
    return render(
        request, "confirm.html", code=status, problem=problem, fields=fields, next=next, oidc=site(request).console.oidc is not None
    )


def plain(value: Any) -> str:
    """A value of a field, for people."""
    if value in (None, "", [], {}):
        return "nothing"
    if value is True or value is False:
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(plain, value))
    if isinstance(value, dict):
        if "role" in value and "org_id" in value:
            return f"{value['role']} at {value['org_id']}" if value["org_id"] else str(value["role"])
        return ", ".join(f"{name}: {plain(part)}" for name, part in value.items())
    return escaped(str(value))


def when(time: datetime | None) -> Markup:
    """How long ago, with the exact time for whoever wants it."""
    if time is None:
        return Markup("never")
    told = f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    ahead = (time - datetime.now(UTC)).total_seconds()
    words = ago(time) if ahead <= 0 else f"in {_span(ahead)}"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(time.isoformat(), told, words)


def took(seconds: float | None) -> str:
    """A duration in words."""
    return "" if seconds is None else f"{seconds:.1f} s" if seconds < 60 else _span(seconds)


def _span(seconds: float) -> str:
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = round(seconds / size)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"


def link(path: str, **query: Any) -> str:
    """An address with those of the parameters that are set."""
    told = {name: value for name, value in query.items() if value not in (None, "", False)}
    return f"{path}?{urlencode(told)}" if told else path


def add_filters(**filters: Any) -> None:
    """Let templates use these too."""
    _pages.filters |= filters


def record_link(kind: str, source: str, record_id: str) -> str:
    """The address of a record's page."""
    return link("/record", kind=kind, source=source, id=record_id)


def entered_done(report: RunReport, kind: str, source: str, record_id: str, what: str) -> Response:
    """Lead to the record that somebody entered or changed; where that did not come about, to the run that says why."""
    if report.state != State.APPLIED:
        return go(f"/runs/{report.run}")
    return go(f"{record_link(kind, source, record_id)}&done={what}")


_pages = Environment(
    loader=PackageLoader("syncd.console", "templates"),
    autoescape=select_autoescape(),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_pages.globals |= {"link": link, "record_link": record_link, "kinds": PLURALS, "verbs": VERBS, "because": because, "tones": TONES}
_pages.filters |= {
    "when": when, "plain": plain, "held_sentence": held_sentence, "took": took, "segment": lambda text: quote(str(text), safe=""),
    "number": lambda count: f"{count:,}", "shown": lambda text: escaped(str(text)), "link_reason": link_reason,
}  # fmt: skip
