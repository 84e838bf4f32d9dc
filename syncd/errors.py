"""Every error that a person can meet, and the exit code it ends with.

    SyncdError                 1   what went wrong, in one sentence, and what to do next
    ├── ConfigError            2   the configuration or the command line is wrong
    │   └── UnknownSource          there is no source of that name
    ├── StoreError             1   the store can not be opened, is too new, or is damaged
    │   ├── Unknown                it has no such run or record
    │   └── Outdated               a newer syncd has upgraded it while this process was running
    ├── AlreadyRunning         1   another run of this source is going on
    ├── DaemonRunning         75   another daemon serves this store (EX_TEMPFAIL: systemd shall not start it again)
    ├── Stopped                1   a person or the service manager asked this run to stop
    ├── Superseded             1   another run of this source took over: this one may not apply
    ├── NothingHeld            2   a run that was to be approved or rejected holds nothing
    ├── AccountError           2   what is asked of an account or a token can not be: taken, too short, not there, the last admin
    ├── SignInDenied           1   the name or the password is wrong, or the account is disabled: nobody is told which
    ├── TooManyTries           1   too many passwords were wrong: this one has to wait, and was not looked at
    ├── CanNotUndo             1   later runs changed the same records, or its values were purged
    └── SourceError            1   the source did not give what was asked
        ├── FullPullNeeded         it can not say what changed: everything has to be pulled (the run does so by itself)
        ├── SignInRefused          401 or 403 from the start, or a second time: never retried (it locks accounts)
        ├── SourceUnavailable      no answer, or 5xx and 429 for longer than we wait: the next run tries again
        ├── BadFile                a file that can not be read, or is not what it says it is: nothing of it was used
        └── BadAnswer              an answer that is not what the API promises: never read as "no records"

Messages carry ids, counts, hosts and status codes; never a name, an email, a birth date or a secret.
"""


class SyncdError(Exception):
    """One sentence for people: what happened, to which source or record id, and what to do next."""

    exit_code = 1

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".strip()


class ConfigError(SyncdError):
    """The configuration or the command line is wrong. `problems` has one line per mistake: file, source, key."""

    exit_code = 2

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class UnknownSource(ConfigError):
    """There is no source of that name."""


class StoreError(SyncdError):
    """The store can not be opened, is too new, or is damaged."""


class Outdated(StoreError):
    """A newer syncd has upgraded the store while this process was running: it may no longer write to it."""


class Unknown(StoreError):
    """The store has no such run or record."""


class AlreadyRunning(SyncdError):
    """Another run of this source is going on."""


class DaemonRunning(SyncdError):
    """Another daemon serves this store."""

    exit_code = 75


class Stopped(SyncdError):
    """The run was asked to stop; nothing of it was applied."""


class Superseded(SyncdError):
    """Another run of the source started after this one: applying would overwrite what it did."""


class NothingHeld(SyncdError):
    """The run holds nothing that could be approved or rejected."""

    exit_code = 2


class AccountError(SyncdError):
    """What is asked of an account or a token can not be done: the name is taken, the password too short, nobody would be admin …"""

    exit_code = 2


class SignInDenied(SyncdError):
    """Nobody is signed in. Why, is not told to who asks: it would tell which accounts there are."""


class TooManyTries(SyncdError):
    """Too many passwords were wrong; this one was not looked at. `seconds`: until the next try."""

    def __init__(self, seconds: int) -> None:
        minutes = -(-seconds // 60)
        super().__init__("too many passwords were wrong.", advice=f"Try again in {minutes} minute{'s' if minutes > 1 else ''}.")
        self.seconds = seconds


class CanNotUndo(SyncdError):
    """Later runs changed the same records, or the values to put back were purged. `conflicts` has (kind, record id, run) of the first."""

    def __init__(self, message: str, *, advice: str = "", conflicts: tuple[tuple[str, str, int], ...] = ()) -> None:
        super().__init__(message, advice=advice)
        self.conflicts = conflicts


class SourceError(SyncdError):
    """The source did not give what was asked. Nothing of the run is applied."""


class FullPullNeeded(SourceError):
    """The source can not say what changed since the cursor; a full pull can. `known`: it was said before."""

    def __init__(self, message: str, *, advice: str = "", known: bool = False) -> None:
        super().__init__(message, advice=advice)
        self.known = known


class SignInRefused(SourceError):
    """The source refused the credentials. `status` is the HTTP status, 401 or 403."""

    def __init__(self, message: str, *, advice: str = "", status: int | None = None) -> None:
        super().__init__(message, advice=advice)
        self.status = status


class SourceUnavailable(SourceError):
    """No usable answer within the retries. `status` is the last HTTP status, or None when there was no answer."""

    def __init__(self, message: str, *, advice: str = "", status: int | None = None) -> None:
        super().__init__(message, advice=advice)
        self.status = status


class BadAnswer(SourceError):
    """An answer that is not what the API promises. `status` is its HTTP status, if there was one."""

    def __init__(self, message: str, *, advice: str = "", status: int | None = None) -> None:
        super().__init__(message, advice=advice)
        self.status = status


class BadFile(SourceError):
    """A file that a school sent can not be read as what it says it is: nothing of it was used."""
