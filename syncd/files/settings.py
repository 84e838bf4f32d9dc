"""The keys of a source that comes as files: where they lie, and what is taken from them."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from syncd.contract.connector import ADVANCED, MayKeepPasswords, shown_for
from syncd.http.settings import Base, CaFile
from syncd.secret import Secret

_SFTP: dict[str, Any] = shown_for(place=["sftp"])
_S3: dict[str, Any] = shown_for(place=["s3"])
KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
_NOT_A_KEY = (
    "must be a line with the server's public key, as in: ssh-ed25519 AAAAC3Nza… (`ssh-keyscan HOST` prints it; compare it with what \
the server's administrator says)"
)


class FilesSettings(MayKeepPasswords):
    """Where the files are, and what is taken from them."""

    place: Literal["here", "sftp", "s3"] = Field(
        "here",
        title="Where the files are",
        description="here: on syncd's own machine. sftp: on an SFTP server. s3: in S3 or storage that speaks like it.",
    )
    path: Path = Field(
        title="Zip or folder",
        description="A zip with the files, a folder with them, or a folder in which zips arrive, each of which is read once. On syncd's "
        "machine, on the SFTP server, or in the bucket.",
    )
    host: str | None = Field(None, title="SFTP server", description="Of the SFTP server: its name or address.", json_schema_extra=_SFTP)
    port: int = Field(22, ge=1, le=65535, title="Port", description="Of the SFTP server.", json_schema_extra=ADVANCED | _SFTP)
    user: str | None = Field(None, title="User", description="Who signs in to the SFTP server.", json_schema_extra=_SFTP)
    password: Secret | None = Field(
        None, title="Password", description="Of who signs in to the SFTP server; or give a private key.", json_schema_extra=_SFTP
    )
    private_key: Secret | None = Field(
        None,
        title="Private key",
        description="Instead of a password: the whole text of a private key in OpenSSH's or PEM form, without a passphrase.",
        json_schema_extra=_SFTP,
    )
    host_key: tuple[str, ...] = Field(
        (),
        title="The server's key",
        description="By which the SFTP server is known, one a line, as in: ssh-ed25519 AAAAC3Nza… Ask its administrator; nothing is sent "
        "to a server that has another.",
        json_schema_extra=_SFTP,
    )
    endpoint: Base | None = Field(
        None,
        title="Address of the storage",
        description="Of the storage, without the bucket, as in https://s3.eu-central-1.amazonaws.com",
        json_schema_extra=_S3,
    )
    bucket: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,62}$",
        title="Bucket",
        description="The name of the bucket, in the storage.",
        json_schema_extra=_S3,
    )
    region: str = Field(
        "us-east-1",
        pattern="^[A-Za-z0-9-]{1,40}$",
        title="Region",
        description="Of the storage, as it calls it; where it has none, any will do.",
        json_schema_extra=ADVANCED | _S3,
    )
    access_key_id: Secret | None = Field(None, title="Access key ID", description="As the storage gave it to you.", json_schema_extra=_S3)
    secret_access_key: Secret | None = Field(
        None, title="Secret access key", description="As the storage gave it to you.", json_schema_extra=_S3
    )
    ca_file: CaFile = None
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
    set_aside: bool = Field(
        True,
        title="Set aside what was read",
        description="Of a folder in which zips arrive: move each that was read into the folder `processed` in it, so that it is kept, and "
        "the next is read in its turn. Without it, the newest counts.",
        json_schema_extra=ADVANCED,
    )
    keep: int = Field(
        10,
        ge=1,
        le=10_000,
        title="How many are kept",
        description="How many of those that were set aside are kept; the oldest go.",
        json_schema_extra=ADVANCED,
    )

    @field_validator("host_key")
    @classmethod
    def _keys(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_key(line) for line in value if line.strip() and not line.startswith("#"))

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = {
            "here": (),
            "sftp": ("host", "user", "host_key"),
            "s3": ("endpoint", "bucket", "access_key_id", "secret_access_key"),
        }[self.place]
        missing = [key for key in needed if not getattr(self, key)]
        if missing:
            raise ValueError(f'place = "{self.place}" needs {" and ".join(missing)}')
        if self.place == "sftp" and (self.password is None) == (self.private_key is None):
            raise ValueError('place = "sftp" needs either password or private_key')
        return self


def _key(line: str) -> str:
    """A public key's type and text, out of a line that may have the host before them and a remark behind. Raises ValueError."""
    parts = line.split()
    for at, word in enumerate(parts[:2]):
        if word in KEY_TYPES and len(parts) > at + 1 and parts[at + 1].startswith("AAAA"):
            return f"{word} {parts[at + 1]}"
    raise ValueError(_NOT_A_KEY)
