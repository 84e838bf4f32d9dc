"""The keys of a source that comes as files."""

from pathlib import Path

from pydantic import Field

from syncd.contract.connector import ADVANCED, ConnectorSettings


class FilesSettings(ConnectorSettings):
    """Where the files are, and what is taken from them."""

    path: Path = Field(
        title="Zip or folder",
        description="On the server: a zip with the files, a folder with them, or a folder in which zips arrive; the newest counts.",
    )
    demographics: bool = Field(
        False, title="Take demographics", description="Birth date, gender, race and the rest. Only if something that you run needs them."
    )
    still: int = Field(
        10,
        ge=0,
        le=3600,
        title="Left alone for, in seconds",
        description="How long a file must not have changed before it is read: it may still be on its way.",
        json_schema_extra=ADVANCED,
    )
