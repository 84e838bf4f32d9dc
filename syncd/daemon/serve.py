"""The service's life: start, SIGHUP reads the configuration anew, SIGTERM and SIGINT stop cleanly."""

import os
import signal
import threading
from pathlib import Path
from types import FrameType

import structlog

from syncd import __version__
from syncd.daemon.scheduler import Scheduler
from syncd.errors import ConfigError
from syncd.settings.file import Settings, load
from syncd.store import open_store

log = structlog.get_logger()


def serve(path: Path, settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; a second signal ends at once. Raises StoreError or ConfigError when it can not start."""
    store = open_store(settings.store_url)
    scheduler = Scheduler(store, settings)
    wake, stopping, reloading = threading.Event(), threading.Event(), threading.Event()

    def on_stop(number: int, _frame: FrameType | None) -> None:
        if stopping.is_set():
            os._exit(128 + number)
        stopping.set()
        wake.set()

    def on_reload(_number: int, _frame: FrameType | None) -> None:
        reloading.set()
        wake.set()

    signal.signal(signal.SIGTERM, on_stop)
    signal.signal(signal.SIGINT, on_stop)
    signal.signal(signal.SIGHUP, on_reload)
    scheduler.start()
    log.info("started", version=__version__, count=len(settings.sources), pid=os.getpid())
    while not stopping.is_set():
        wake.wait()
        wake.clear()
        if reloading.is_set() and not stopping.is_set():
            reloading.clear()
            _reload(path, scheduler)
    log.info("stopping")
    scheduler.stop()
    store.close()
    log.info("stopped")


def _reload(path: Path, scheduler: Scheduler) -> None:
    try:
        settings = load(path)
    except ConfigError as problem:
        for line in problem.problems:
            log.error("configuration not taken over, the old one stays", error=line)
        return
    scheduler.apply(settings)
    log.info("configuration taken over", count=len(settings.sources))
