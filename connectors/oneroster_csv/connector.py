"""OneRoster's CSV binding as a connector: each file a resource; a file that is absent, or tells only changes, proves nobody's absence."""

from collections.abc import Iterator
from contextlib import contextmanager

from connectors.oneroster_csv import manifest
from connectors.oneroster_csv.manifest import Manifest
from connectors.oneroster_csv.read import read
from connectors.oneroster_csv.roles import Changes, Roles, refuse_parts
from connectors.oneroster_csv.settings import OneRosterCsvSettings
from connectors.oneroster_csv.table import Table
from syncd.contract.connector import Resource
from syncd.contract.document import Document, Finished, Page, Reading
from syncd.errors import FullPullNeeded
from syncd.files.bundle import Bundle
from syncd.files.connector import FilesConnector
from syncd.files.rows import CsvFile
from syncd.files.told import told_page

RESOURCES = (
    Resource("orgs", ("org",)),
    Resource("academicSessions", ("term",)),
    Resource("courses", ("course",)),
    Resource("users", ("user",)),
    Resource("classes", ("section",)),
    Resource("enrollments", ("enrollment",)),
)
DEMOGRAPHICS = Resource("demographics", ())


class OneRosterCsvConnector(FilesConnector):
    """The files of one SIS."""

    settings_model = OneRosterCsvSettings
    settings: OneRosterCsvSettings

    def resources(self) -> tuple[Resource, ...]:
        return (*RESOURCES, DEMOGRAPHICS) if self.settings.demographics else RESOURCES

    def lists_everything(self, bundle: Bundle) -> bool:
        told = manifest.read(bundle)
        needed = [resource.name for resource in RESOURCES] + (["roles"] if told.version == "1.2" else [])
        return all(_file(name) in bundle.names for name in needed) and set(told.modes.values()) <= {"bulk", "absent"}

    def everything(self, bundle: Bundle) -> Iterator[Page | Finished]:
        told = manifest.read(bundle)
        yield from self._odd(bundle, told)
        for resource in self.resources():
            if resource.name == "users" and _tells_changes(told):
                yield from self._changed_users(bundle, told)
                yield Finished("users", "users.csv or roles.csv tells only what changed")
            elif _file(resource.name) not in bundle.names:
                yield Finished(resource.name, f"{resource.name}.csv is absent, which says nothing of what it would have in it")
            elif resource.name == "users" and told.version == "1.2":
                yield from self._users(bundle, told)
            else:
                with self._table(bundle, resource.name, told) as table:
                    yield from table.pages()
                    yield Finished(resource.name, _doubt(table, told))

    def _users(self, bundle: Bundle, told: Manifest) -> Iterator[Page | Finished]:
        """Users with the roles that another file has."""
        if _file("roles") not in bundle.names:
            raise bundle.bad("has users.csv without roles.csv, which says who is what.", "Send both.")
        with Roles() as roles:
            with self._table(bundle, "roles", told) as table:
                odd = list(roles.take(table.pages()))
                refuse_parts(table.file, table.mode)
                if not table.file.whole:
                    raise bundle.bad(f"has in it {table.file.name}, which ends in the middle of a row.", "Send it again, whole.")
            if odd:
                yield Page("users", [document._replace(resource="users") for document in odd])
            with self._table(bundle, "users", told) as table:
                for page in table.pages():
                    refuse_parts(table.file, table.mode)
                    yield roles.joined(page)
                yield Finished("users", _doubt(table, told))

    def changed(self, bundle: Bundle) -> Iterator[Page]:
        told = manifest.read(bundle)
        there = [name for name in self._files() if _file(name) in bundle.names]
        users = ["users", "roles"] if _tells_changes(told) else []
        if any(told.modes.get(name, "bulk") == "bulk" for name in there):
            raise FullPullNeeded(f"{self.context.source}: {bundle.path.name} is new, and has to be read as a whole.")
        yield from self._odd(bundle, told)
        if users:
            yield from self._changed_users(bundle, told)
        for name in (name for name in there if name not in users):
            with self._table(bundle, name, told) as table:
                for page in table.pages():
                    if table.mode == "bulk":
                        raise FullPullNeeded(f"{self.context.source}: {table.file.name} says nothing of what changed.")
                    yield page

    def _changed_users(self, bundle: Bundle, told: Manifest) -> Iterator[Page]:
        """Whoever has changed, whole, on top of what was read before."""
        if any(told.modes.get(name) == "bulk" and _file(name) in bundle.names for name in ("users", "roles")):
            raise bundle.bad(
                "has all of the one and changes of the other of users and roles, which are read together.",
                "Send both whole (bulk), or both as changes (delta).",
            )
        before = self.earlier()
        if not before:
            raise bundle.bad(
                "has only changes of users in it, which are read on top of a zip that has everything, and none is kept.",
                "Have the SIS export everything (bulk) once, into a folder in which zips arrive, and leave set_aside on.",
            )
        with Changes() as changes:
            for item in before:
                with self.kept(item) as kept:
                    # What was odd about it was told when it was read.
                    for _ in self._take(changes, kept, manifest.read(kept)):
                        pass
            changes.begin()
            if odd := list(self._take(changes, bundle, told)):
                yield Page("users", odd)
            yield from changes.pages()

    def _take(self, changes: Changes, bundle: Bundle, told: Manifest) -> Iterator[Document]:
        """Keep what a bundle says of users and roles; gives what is odd about it."""
        for name, take in (("roles", changes.take), ("users", changes.take_users)):
            if _file(name) in bundle.names:
                if name == "roles" and told.modes.get(name) != "delta":
                    changes.forget_roles()
                with self._table(bundle, name, told) as table:
                    for document in take(table.pages()):
                        yield document._replace(resource="users")
                    if not table.file.whole:
                        raise bundle.bad(f"has in it {table.file.name}, which ends in the middle of a row.", "Send it again, whole.")

    def read(self, document: Document) -> Reading:
        return read(document)

    def found(self, bundle: Bundle) -> str:
        told = manifest.read(bundle)
        there = [name for name in (*self._files(), "roles") if _file(name) in bundle.names]
        count = 0
        if "orgs" in there:
            with self._table(bundle, "orgs", told) as table:
                count = sum(1 for page in table.pages() for one in page.documents if one.id is not None)
        return f"OneRoster {told.version} CSV: {len(there)} files, {count} orgs"

    def _files(self) -> list[str]:
        return [resource.name for resource in self.resources()]

    @contextmanager
    def _table(self, bundle: Bundle, name: str, told: Manifest) -> Iterator[Table]:
        with bundle.open(_file(name)) as stream:
            yield Table(CsvFile(bundle.names[_file(name)], self.context.source, stream), name, told.version, self.seal)

    def _odd(self, bundle: Bundle, told: Manifest) -> Iterator[Page]:
        odd = [*((rule, bundle.path.name) for rule in bundle.told), *told.told]
        odd += [("unknown-file", name) for name in manifest.unknown(bundle)]
        if odd:
            yield told_page("orgs", odd)


def _file(name: str) -> str:
    return f"{name}.csv".lower()


def _tells_changes(told: Manifest) -> bool:
    """Whether, in 1.2, a user is told in parts."""
    return told.version == "1.2" and "delta" in (told.modes.get("users"), told.modes.get("roles"))


def _doubt(table: Table, told: Manifest) -> str | None:
    """Why who is not in a file may not be taken for gone."""
    name, mode = table.file.name, told.modes.get(table.name)
    if not table.file.whole:
        return f"{name} ends in the middle of a row"
    if table.mode is None:
        return f"{name} has no rows, which says nothing"
    if table.mode == "delta":
        return f"{name} tells only what changed" if mode == "delta" else f"{name} has a status in its rows, so that it may not be all"
    return f"{name} is said to be a delta, and its rows do not look so" if mode == "delta" else None
