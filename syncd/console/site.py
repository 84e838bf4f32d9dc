"""What all requests share: the store, and the configuration as it stands now."""

import threading
import time
from collections.abc import Mapping
from pathlib import Path

import structlog

from syncd.console.desk import Desk
from syncd.console.oidc import SingleSignOn
from syncd.console.tail import Tail
from syncd.errors import ConfigError
from syncd.settings import kept
from syncd.settings.file import Settings, load
from syncd.store import Store
from syncd.view.rostering.places import Places

log = structlog.get_logger()

# Seconds for which the configuration that was read serves.
FRESH = 2.0


class Site:
    """path: of the configuration file. Threads may share it."""

    def __init__(self, path: Path, settings: Settings, store: Store) -> None:
        self.path, self.store, self.console = path, store, settings.console
        self.tail, self.desk = Tail(store), Desk()
        self.places = Places()
        self.single_sign_on = SingleSignOn(settings.console) if settings.console.oidc else None
        self._take(settings)
        self._looked, self._file_changed = time.monotonic(), self._changed()
        self._lock = threading.Lock()

    @property
    def settings(self) -> Settings:
        """The configuration: the file's and the store's sources, anew when either has changed. A file that is wrong now changes nothing."""
        with self._lock:
            if time.monotonic() - self._looked > FRESH:
                self._looked = time.monotonic()
                self._look()
            return self._settings

    @property
    def left_out(self) -> Mapping[str, list[str]]:
        """{source: why} of those that were set up here and can not be used as they are kept: the daemon does not pull them."""
        _ = self.settings
        return self._left_out

    @property
    def silence(self) -> float | None:
        """Seconds without a sign of life after which a daemon counts as dead, where several share the store."""
        cluster = self.settings.cluster
        return cluster.silence if cluster.enabled else None

    def changed(self) -> None:
        """A source was saved here: look at once."""
        with self._lock:
            self._looked = 0.0

    def _look(self) -> None:
        try:
            if (changed := self._changed()) != self._file_changed:
                self._file_changed = changed
                self._take(load(self.path, secrets=()))
            elif kept.version(self.store) != self._settings.version:
                self._take(self._settings)
        except ConfigError as problem:
            for line in problem.problems:
                log.error("configuration not taken over, the old one stays", error=line)

    def _take(self, settings: Settings) -> None:
        self._settings = kept.complete(settings, self.store, secrets=())
        # Nothing here needs the secrets; but where they do not open, the daemon leaves the source out, and somebody has to know.
        whole = kept.complete(settings, self.store)
        self._left_out = {name: whole.problems(name) for name in sorted(whole.broken)}

    def _changed(self) -> float:
        try:
            return self.path.stat().st_mtime
        except OSError:
            return 0.0
