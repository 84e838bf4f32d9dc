"""Sources whose runs end as a test says, without anything being pulled; and a configuration that tells somebody of them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from syncd.report import Counts, Held, Mode, RunReport, State, Trigger, no_counts
from syncd.settings.file import Settings, load
from syncd.store import open_store, runs
from tests import stores

SOURCE = """
[sources.{name}]
connector = "clever"
url = "http://127.0.0.1:9"
token = {{ env = "SOURCE_TOKEN" }}
{more}
"""
DOWN = "sis.example.org answered 503, 5 times in a row. Nothing was applied; the next run tries again."
MASS = Held(
    kind="users", action="deactivate", rule="max_deactivations", count=412, of=960, limit="5%", org_name="Lincoln Elementary", org_count=400
)


class Books:
    """A store, and a clock that goes on as it is told to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = open_store(stores.url(folder))
        self.now = datetime.now(UTC)

    def run(
        self,
        source: str = "springfield",
        state: State = State.APPLIED,
        *,
        mode: Mode = Mode.FULL,
        trigger: Trigger = Trigger.SCHEDULE,
        seconds: float = 0,
        **report: object,
    ) -> RunReport:
        """A run that ends now, and took so many seconds."""
        began = self.now - timedelta(seconds=seconds)
        with self.store.write() as connection:
            number, _ = runs.start(connection, source, mode=mode, trigger=trigger, at=began)
        found = {"counts": no_counts(), "error": f"{source}: {DOWN}" if state == State.FAILED else None, **report}
        ended = RunReport(
            run=number, source=source, mode=mode, trigger=trigger, state=state, started_at=began, finished_at=self.now, **found
        )
        with self.store.write() as connection:
            assert runs.finish(connection, ended)
        return ended

    def hold(self, source: str = "springfield", *held: Held) -> RunReport:
        """A run that holds something, by default that many children would go."""
        return self.run(source, State.HELD, held=list(held or (MASS,)))

    def fail(self, source: str = "springfield", times: int = 1) -> list[RunReport]:
        return [self.run(source, State.FAILED) for _ in range(times)]

    def later(self, **span: float) -> datetime:
        self.now += timedelta(**span)
        return self.now

    def configure(self, head: str = "", **more: str) -> Settings:
        return configured(self.folder, head, **more)


def configured(folder: Path, head: str = "", **more: str) -> Settings:
    """A configuration with a source for each name in `more`, with those lines, springfield always, and what else there is to say."""
    sources = [SOURCE.format(name=name, more=lines) for name, lines in ({"springfield": ""} | more).items()]
    config = folder / "syncd.toml"
    config.write_text(f'[store]\nurl = "{stores.url(folder)}"\n[console]\nenabled = false\n{"".join(sources)}{head}')
    return load(config, secrets=())


def counted(**users: int) -> dict[str, Counts]:
    return no_counts() | {"users": Counts(**users)}
