"""Who works with syncd: accounts, their roles, and who it is that does something. (A *user* is a person in the roster.)

What the command line prints with `--json` and the API answers are these models.
"""

import os
import pwd
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel


class Role(StrEnum):
    """What somebody may do; each role may do what the ones before it may.

    A viewer sees how syncs go: states, counts, ids, and no names. An operator also searches the roster, sees names and values, starts
    syncs, pauses and resumes. An admin also approves, rejects, undoes, sets up sources, and manages accounts.
    """

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def covers(self, other: "Role") -> bool:
        """Whether this role may do all that the other may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


class Via(StrEnum):
    """By which way somebody came."""

    CONSOLE = "console"
    API = "api"
    CLI = "cli"
    OIDC = "oidc"
    DAEMON = "daemon"


@dataclass(frozen=True, slots=True)
class Who:
    """Who does something. name: of the account, `token:` or `client:` and the id of one, or the operating system's account on the command
    line. source: the only source that a token or client is for; None: all."""

    name: str
    role: Role
    via: str
    source: str | None = None


class Account(BaseModel):
    """Somebody who signs in. password: whether with one; else by single sign-on only. Times are UTC."""

    name: str
    role: Role
    password: bool
    created_at: datetime
    created_by: str
    signed_in_at: datetime | None = None
    disabled_at: datetime | None = None


class Accounts(BaseModel):
    accounts: list[Account]


class Token(BaseModel):
    """A program's way in. source: the only one that it is for; None: all. used_at: to the minute."""

    id: str
    name: str
    role: Role
    source: str | None
    created_at: datetime
    created_by: str
    expires_at: datetime
    revoked_at: datetime | None = None
    used_at: datetime | None = None


class NewToken(Token):
    """token: the token itself, which is shown this once."""

    token: str


class Tokens(BaseModel):
    tokens: list[Token]


class Client(BaseModel):
    """A product that reads a source by OneRoster. id: what it signs in as. schools: ids of the only orgs that it is for; None: all. scopes:
    what it may be granted. used_at: when it last got a token."""

    id: str
    name: str
    source: str
    schools: list[str] | None
    scopes: list[str]
    created_at: datetime
    created_by: str
    expires_at: datetime
    revoked_at: datetime | None = None
    used_at: datetime | None = None


class NewClient(Client):
    """secret: what it proves itself with, which is shown this once."""

    secret: str


class Clients(BaseModel):
    clients: list[Client]


class Entry(BaseModel):
    """One line of the audit log. subject: the number of a run, the id of a record, token or client, or the name of an account."""

    id: int
    at: datetime
    account: str
    via: str
    action: str
    source: str | None
    subject: str | None
    details: dict[str, Any]


_NAME = re.compile(r"[a-z0-9][a-z0-9._+@'-]{0,99}")


def folded(typed: str) -> str:
    """An account's name as it is kept: large letters are small ones."""
    return typed.strip().casefold()


def is_name(name: str) -> bool:
    """Whether an account may be called so: a word, or an address as single sign-on gives it."""
    return _NAME.fullmatch(name) is not None


# Who logged in, as Linux keeps it for each process; and what stands there in a service, where nobody did.
_LOGIN = Path("/proc/self/loginuid")
_NOBODY = 2**32 - 1


def of_system() -> str:
    """The operating system's account that does this: who logged in, whom `sudo` does not change; else whose process it is. (An environment
    variable could say anybody.)"""
    uid = os.getuid()
    with suppress(OSError, ValueError):
        login = int(_LOGIN.read_text(encoding="ascii"))
        uid = uid if login == _NOBODY else login
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def here() -> Who:
    """Who runs this command. Whoever can open the store may do everything to it."""
    return Who(of_system(), Role.ADMIN, Via.CLI)


def daemon() -> Who:
    """The daemon, where it acts by itself."""
    return Who(of_system(), Role.ADMIN, Via.DAEMON)
