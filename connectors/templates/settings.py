"""The keys of a source that comes as import templates."""

from syncd.files.settings import FilesSettings


class TemplatesSettings(FilesSettings):
    """Those of all files."""
