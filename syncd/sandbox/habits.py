"""The bad habits of real providers, each of which somebody met in the field (oneroster.md sections 3, 5 and
10).

A habit changes how the truth is told, for as long as it is set; it is not a fault (`faults.py`), and a sync
has to live with it. The two that lose information (`empty_titles`, `empty_usernames`) change what is to be
expected.
"""

from datetime import datetime, timedelta
from typing import Any, Literal
from zlib import crc32

import msgspec

from syncd.sandbox.oneroster_records import RACES

DATES = {"startDate", "endDate", "beginDate", "birthDate"}
ENUMS = {"status", "role", "roleType", "classType", "type"}
BOOLEANS = {"enabledUser", "primary", "hispanicOrLatinoEthnicity", *RACES.values()}
LISTS = {"grades", "subjects", "periods", "terms", "orgs", "roles", "agents", "userIds"}


class Habits(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How the pretend providers behave.

    OneRoster: `cap` clamps limit silently. `total_count` and `link`: whether those headers are sent.
    `etags`: whether pages have one, and 304 is answered. `repeat`: each page begins with the last record of
    the one before. `gone_word`: status of a removed record. `tombstones` false: removed records just vanish.
    `filter`: honour, ignore or refuse (400) any filter. `filter_hours`: it reads a filter's time as of a
    zone so many hours east of UTC.
    `booleans`: "true", true, 1 or "TRUE". `missing`: how no value is spelt (null, absent or empty;
    mixed is by record). `hrefs`, `single_values` (one value where a list of one belongs), `enums`, `dates`
    and `timestamps`: the spelling of those. `short_grades`: 5 for 05.

    Clever: `events`: whether the app has opted in. `rate_limit`: requests a minute for each token.
    """

    cap: int | None = None
    total_count: bool = True
    link: bool = True
    etags: bool = False
    repeat: bool = False
    gone_word: Literal["tobedeleted", "inactive"] = "tobedeleted"
    tombstones: bool = True
    filter: Literal["honour", "ignore", "refuse"] = "honour"
    filter_hours: int = 0
    booleans: Literal["text", "json", "number", "upper"] = "text"
    missing: Literal["mixed", "null", "absent", "empty"] = "mixed"
    hrefs: Literal["absolute", "relative"] = "absolute"
    empty_titles: bool = False
    empty_usernames: bool = False
    single_values: bool = False
    short_grades: bool = False
    enums: Literal["plain", "mixed"] = "plain"
    dates: Literal["date", "time"] = "date"
    timestamps: Literal["milliseconds", "seconds", "zone", "space", "no_zone"] = "milliseconds"
    events: bool = True
    rate_limit: int = 1_000_000

    def set(self, changes: dict[str, Any]) -> None:
        """Change some habits. Raises ValueError for an unknown name or value, and then changes none."""
        try:
            wanted = msgspec.convert({**msgspec.structs.asdict(self), **changes}, Habits)
        except msgspec.ValidationError as error:
            raise ValueError(f"no such habit: {error}") from error
        if (wanted.cap is not None and wanted.cap < 1) or wanted.rate_limit < 1:
            raise ValueError("cap and rate_limit are at least 1")
        for name in self.__struct_fields__:
            setattr(self, name, getattr(wanted, name))

    def is_plain(self) -> bool:
        """Whether OneRoster documents are sent in the clean spelling."""
        return all(getattr(self, name) == getattr(PLAIN, name) for name in SHAPES)


SHAPES = (
    "gone_word",
    "booleans",
    "missing",
    "hrefs",
    "empty_titles",
    "empty_usernames",
    "single_values",
    "short_grades",
    "enums",
    "dates",
    "timestamps",
)
PLAIN = Habits()


def reshape(document: dict[str, Any], habits: Habits, base: str) -> dict[str, Any]:
    """A OneRoster document as a provider with these habits spells it. base: how absolute hrefs begin."""
    if habits.is_plain():
        return document
    found: dict[str, Any] = _object(document, habits, base)
    # Only a class has a title that nobody misses; terms and courses keep theirs.
    if habits.empty_titles and "classType" in found:
        found["title"] = ""
    if habits.empty_usernames and "enabledUser" in found:
        found["username"] = ""
        found.pop("userProfiles", None)
    return found


def _object(document: dict[str, Any], habits: Habits, base: str) -> dict[str, Any]:
    # The type of a reference or of a userId is not one of the record's own words.
    is_foreign = "href" in document or ("type" in document and "sourcedId" not in document)
    found: dict[str, Any] = {}
    for key, value in document.items():
        if value is None or value == "" or value == []:
            if habits.missing == "mixed":
                found[key] = value
            elif habits.missing != "absent":
                found[key] = None if habits.missing == "null" else "" if not isinstance(value, list) else []
            continue
        if isinstance(value, dict):
            found[key] = _object(value, habits, base)
        elif isinstance(value, list):
            found[key] = _list(key, value, habits, base)
        elif key == "href" and habits.hrefs == "relative":
            found[key] = value.removeprefix(base).lstrip("/")
        else:
            found[key] = value if is_foreign else _text(key, value, habits)
    return found


def _list(key: str, values: list[Any], habits: Habits, base: str) -> Any:
    found: list[Any] = [_object(one, habits, base) if isinstance(one, dict) else one for one in values]
    if key == "grades" and habits.short_grades:
        found = ["K" if grade == "KG" else grade.lstrip("0") for grade in found]
    return found[0] if habits.single_values and key in LISTS and len(found) == 1 else found


def _text(key: str, value: str, habits: Habits) -> Any:
    if key == "status" and value == "tobedeleted":
        value = habits.gone_word
    if key in BOOLEANS:
        truth = value == "true"
        return {"text": value, "json": truth, "number": int(truth), "upper": value.upper()}[habits.booleans]
    if key == "dateLastModified":
        return _timestamp(value, habits.timestamps)
    if key in DATES and habits.dates == "time":
        return f"{value}T00:00:00.000Z"
    if key in ENUMS and habits.enums == "mixed":
        return value.upper() if crc32(value.encode()) % 2 else value[:1].upper() + value[1:]
    return value


def _timestamp(value: str, spelling: str) -> str:
    whole = value[:19]
    if spelling == "zone":
        local = datetime.fromisoformat(whole) - timedelta(hours=5)
        return f"{local.isoformat()}.000-05:00"
    return {
        "milliseconds": value,
        "seconds": f"{whole}Z",
        "space": f"{whole.replace('T', ' ')}Z",
        "no_zone": whole.replace("T", " "),
    }[spelling]
