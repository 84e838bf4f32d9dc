"""The keys of a source that comes as OneRoster CSV files."""

from syncd.files.settings import FilesSettings


class OneRosterCsvSettings(FilesSettings):
    """Those of all files."""
