"""manifest.csv: which version the files have, and of each file whether it is absent, the whole truth (bulk), or what changed (delta)."""

from dataclasses import dataclass, field

from connectors.oneroster_csv.columns import OTHERS
from syncd.files.bundle import Bundle
from syncd.files.oneroster import COLUMNS
from syncd.files.rows import CsvFile

NAME = "manifest.csv"
MODES = ("absent", "bulk", "delta")


@dataclass
class Manifest:
    """version: "1.1" or "1.2". modes: {file: absent, bulk or delta}; a file that is not in it was not told of. told: what is odd, (rule,
    place). there: whether there is a manifest at all."""

    version: str
    modes: dict[str, str] = field(default_factory=dict)
    told: list[tuple[str, str]] = field(default_factory=list)
    there: bool = True


def read(bundle: Bundle) -> Manifest:
    """The manifest of a bundle; without one, what the files themselves look like. Raises BadFile."""
    if NAME not in bundle.names:
        return Manifest(_version_by_looks(bundle), there=False, told=[("no-manifest", "")])
    values, told = {}, []
    with bundle.open(NAME) as stream:
        file = CsvFile(bundle.names[NAME], bundle.source, stream)
        if [name.lower() for name in file.header[:2]] != ["propertyname", "value"]:
            raise file.bad(1, "the manifest begins with propertyName,value", "Export the files anew, or leave the manifest out.")
        for row in file.rows():
            cells = [cell.strip() for cell in (*row.cells, "", "")]
            values[cells[0].lower()] = cells[1].lower()
    version = values.get("oneroster.version", "")
    if not version.startswith(("1.1", "1.2")):
        told.append(("manifest-version", version[:10]))
        version = _version_by_looks(bundle)
    modes = {}
    for file_name in COLUMNS:
        mode = values.get(f"file.{file_name}".lower(), "")
        there = f"{file_name}.csv".lower() in bundle.names
        if mode and mode not in MODES:
            told.append(("manifest-mode", file_name))
        elif there and mode in ("", "absent"):
            told.append(("not-in-manifest", file_name))
        elif not there and mode in ("bulk", "delta"):
            raise bundle.bad(
                f"says in its manifest that {file_name}.csv is there ({mode}), and it is not.", "Send all files, or correct the manifest."
            )
        if mode in MODES:
            modes[file_name] = mode
    return Manifest(version[:3], modes, told)


def unknown(bundle: Bundle) -> list[str]:
    """Files of which nobody knows what they are."""
    known = {f"{name}.csv".lower() for name in (*COLUMNS, *OTHERS)} | {NAME}
    return [bundle.names[name] for name in bundle.names if name not in known and name.endswith(".csv")]


def _version_by_looks(bundle: Bundle) -> str:
    """The users of 1.1 have their role in their own row."""
    if "roles.csv" in bundle.names:
        return "1.2"
    if "users.csv" not in bundle.names:
        return "1.1"
    with bundle.open("users.csv") as stream:
        header = [name.lower() for name in CsvFile(bundle.names["users.csv"], bundle.source, stream).header]
    return "1.1" if "role" in header or "orgsourcedids" in header else "1.2"
