"""Where a source's files lie: on this machine, on an SFTP server, or in storage that speaks as S3 does."""

from syncd.contract.connector import Context
from syncd.files.place.base import ASIDE, Item, Place, is_zip
from syncd.files.place.here import Here
from syncd.files.settings import FilesSettings


def opened(settings: FilesSettings, context: Context) -> Place:
    """The place that a source's settings name. Nothing is asked of it yet."""
    match settings.place:
        case "here":
            return Here(settings.path, context.source, context.folders)
        case "sftp":
            from syncd.files.place.sftp import Sftp

            return Sftp(settings, context)
        case "s3":
            from syncd.files.place.s3 import S3

            return S3(settings, context)


__all__ = ["ASIDE", "Item", "Place", "is_zip", "opened"]
