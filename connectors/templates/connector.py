"""The four import templates as a connector. Who is not in a file is gone only if the file says that it lists everything."""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from connectors.templates.read import read
from connectors.templates.settings import TemplatesSettings
from connectors.templates.table import Table
from syncd.contract.connector import Resource
from syncd.contract.document import Document, Finished, Page, Reading
from syncd.errors import FullPullNeeded
from syncd.files.bundle import Bundle
from syncd.files.connector import FilesConnector
from syncd.files.sheet import ENDINGS, opened
from syncd.files.templates import DIRECTIVE, is_header, kinds_of
from syncd.files.told import told_page

RESOURCES = (
    Resource("organizations", ("org",)),
    Resource("groups", ("section",)),
    Resource("users", ("user", "enrollment")),
    Resource("students", ("user", "enrollment")),
)
# {kind: the file's name in small letters}
Files = dict[str, str]


class TemplatesConnector(FilesConnector):
    """The files of one district."""

    settings_model = TemplatesSettings
    endings = ENDINGS
    what = "CSV or Excel"
    settings: TemplatesSettings

    def resources(self) -> tuple[Resource, ...]:
        return RESOURCES

    def lists_everything(self, bundle: Bundle) -> bool:
        files = _files(bundle)
        return len(files) == len(RESOURCES) and all(self._is_full(bundle, files, kind) for kind in files)

    def everything(self, bundle: Bundle) -> Iterator[Page | Finished]:
        files = _files(bundle)
        yield from _odd(bundle, files)
        districts = self._districts(bundle, files)
        for resource in RESOURCES:
            if resource.name not in files:
                yield Finished(resource.name, f"there is no file of {resource.name}, which says nothing of them")
                continue
            with self._table(bundle, files, resource.name, districts) as table:
                yield from table.pages()
                yield Finished(resource.name, _doubt(table, files))

    def changed(self, bundle: Bundle) -> Iterator[Page]:
        files = _files(bundle)
        for kind in files:
            if self._is_full(bundle, files, kind):
                name = bundle.names[files[kind]]
                raise FullPullNeeded(f"{self.context.source}: {name} lists everything, and has to be read as a whole.")
        yield from _odd(bundle, files)
        districts = self._districts(bundle, files)
        for resource in RESOURCES:
            if resource.name in files:
                with self._table(bundle, files, resource.name, districts) as table:
                    yield from table.pages()

    def read(self, document: Document) -> Reading:
        return read(document)

    def found(self, bundle: Bundle) -> str:
        files = _files(bundle)
        told = []
        for resource in RESOURCES:
            if resource.name in files:
                with self._table(bundle, files, resource.name) as table:
                    all_of_them = " (all of them)" if table.full else ""
                    count = sum(1 for page in table.pages() for one in page.documents if one.id is not None)
                    told.append(f"{count} {resource.name}{all_of_them}")
        return f"import templates: {', '.join(told)}"

    def _is_full(self, bundle: Bundle, files: Files, kind: str) -> bool:
        with self._table(bundle, files, kind) as table:
            return table.full

    def _districts(self, bundle: Bundle, files: Files) -> frozenset[str] | None:
        """The numbers of the organizations that are districts: who administers one is more than who administers a school. None: they did
        not come."""
        if "organizations" not in files:
            return None
        found = set()
        with self._table(bundle, files, "organizations") as table:
            for page in table.pages():
                for document in page.documents:
                    kind = msgspec.json.decode(document.raw).get("OrganizationType", "")
                    if document.id is not None and kind.strip().lower() == "district":
                        found.add(document.id)
        return frozenset(found)

    @contextmanager
    def _table(self, bundle: Bundle, files: Files, kind: str, districts: frozenset[str] | None = frozenset()) -> Iterator[Table]:
        name = files[kind]
        with bundle.open(name) as stream:
            file = opened(bundle.names[name], self.context.source, stream, lambda cells: is_header(kind, cells))
            with Table(file, kind, demographics=self.settings.demographics, districts=districts, seal=self.seal) as table:
                yield table


def _files(bundle: Bundle) -> Files:
    """Which file is of which kind, by its name. Raises BadFile."""
    found: Files = {}
    for name, written in bundle.names.items():
        if not name.endswith(ENDINGS):
            continue
        kinds = kinds_of(name)
        if len(kinds) > 1:
            raise bundle.bad(f"has {written} in it, and nobody can tell what it lists: {' or '.join(kinds)}.", "Give it the name of one.")
        for kind in kinds:
            if kind in found:
                other = bundle.names[found[kind]]
                raise bundle.bad(f"has two files of {kind} in it, {other} and {written}.", "Leave one of them out, or put them together.")
            found[kind] = name
    if not found:
        raise bundle.bad(
            "has no file in it whose name says what it lists.", "Have organizations, groups (or classes), users or students in the name."
        )
    return found


def _odd(bundle: Bundle, files: Files) -> Iterator[Page]:
    odd = [(rule, bundle.path.name) for rule in bundle.told]
    odd += [("unknown-file", bundle.names[name]) for name in bundle.names if name not in files.values()]
    if odd:
        yield told_page("organizations", odd)


def _doubt(table: Table, files: Files) -> str | None:
    """Why who is not in a file may not be taken for gone."""
    name = table.file.name
    if not table.file.whole:
        return f"{name} ends in the middle of a row"
    if not table.rows:
        return f"{name} has no rows, which says nothing"
    if not table.full:
        return f"{name} has no {DIRECTIVE} in it, so that it may not be all"
    if "GroupNumber" in table.lacks and "groups" in files:
        return f"{name} has no column GroupNumber, so that nobody can tell who is in which group"
    return None
