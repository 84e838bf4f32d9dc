"""The configuration of a process that runs for long: the file as it was last read and found right, completed with what the store has by
now. What somebody sets up in the console is taken over within seconds, on every machine, without a restart."""

import threading
from pathlib import Path

import structlog

from syncd.errors import ConfigError, StoreError
from syncd.settings import kept
from syncd.settings.file import Settings, load
from syncd.store import Store

log = structlog.get_logger()

# What is read at the start only, and where it stands.
AT_START = {"store_url": "[store] url", "workers": "workers", "log_level": "[log] level", "cluster": "[cluster]", "console": "[console]"}


class Configuration:
    """`settings` are those that hold. Threads may share it. Raises StoreError when the store can not be read at the start."""

    def __init__(self, path: Path, settings: Settings, store: Store) -> None:
        self.path, self._store = path, store
        self._taking_over = threading.Lock()
        self.settings = settings
        self._complete(settings)

    def reload(self) -> bool:
        """Read the file anew. False when it is wrong, or the store does not answer: then all stays as it is."""
        with self._taking_over:
            try:
                settings, old = load(self.path), self.settings
                self._complete(settings)
            except ConfigError as problem:
                for line in problem.problems:
                    log.error("configuration not taken over, the old one stays", error=line)
                return False
            except StoreError as problem:
                log.error("configuration not taken over, the old one stays", error=str(problem))
                return False
        for name, where in AT_START.items():
            if getattr(settings, name) != getattr(old, name):
                log.warning("this is taken over at the next start only", where=where)
        log.info("configuration taken over", count=len(self.settings.sources))
        return True

    def look(self) -> bool:
        """Take over what was changed in the console since the last look; whether anything was. A store that is away has told nothing."""
        with self._taking_over:
            try:
                if kept.version(self._store) == self.settings.version:
                    return False
                self._complete(self.settings)
            except StoreError:
                return False
        log.info("sources of the console taken over", count=len(self.settings.kept))
        return True

    def _complete(self, settings: Settings) -> None:
        self.settings = kept.complete(settings, self._store)
        for name in self.settings.broken:
            for line in self.settings.problems(name):
                log.error("source left out, the others go on", source=name, error=line)
