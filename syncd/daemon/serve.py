"""The service's life: start, SIGHUP reads the configuration anew, SIGTERM and SIGINT stop cleanly."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import structlog

from syncd import __version__
from syncd.contract import discovery
from syncd.daemon import cluster, notify
from syncd.daemon.scheduler import Scheduler
from syncd.daemon.service import Service
from syncd.errors import ConfigError
from syncd.settings.file import Settings, load
from syncd.store import Store, members, open_store
from syncd.store.lease import serve_alone

log = structlog.get_logger()

# Seconds between two looks at the scheduler, and at the lock.
TEND = 2
# What is read at the start only, and where it stands.
AT_START = {"store_url": "[store] url", "workers": "workers", "log_level": "[log] level", "cluster": "[cluster]"}


def serve(path: Path, settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; a second signal ends at once.

    Raises StoreError or ConfigError when it can not start, DaemonRunning when another daemon serves the store, SyncdError when the
    scheduler died: then the service manager starts the daemon anew.
    """
    store = open_store(settings.store_url)
    if settings.cluster.enabled:
        with cluster.member(store, settings, members.SERVE) as membership:
            # What it needs is installed only where several machines share a store.
            from syncd.daemon.dispatcher import Dispatcher

            _serve(path, settings, store, Dispatcher(membership, settings))
        return
    with serve_alone(store) as hold_on:
        store.refuse_damaged()
        _serve(path, settings, store, Scheduler(store, settings), hold_on)


def _serve(path: Path, settings: Settings, store: Store, service: Service, hold_on: Callable[[], None] = lambda: None) -> None:
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
    service.start()
    for name, where in discovery.installed():
        log.info("connector installed", connector=name, where=where)
    log.info("started", version=__version__, count=len(settings.sources), pid=os.getpid())
    try:
        while not stopping.is_set():
            wake.wait(TEND)
            wake.clear()
            if reloading.is_set() and not stopping.is_set():
                reloading.clear()
                notify.reloading()
                if (new := reloaded(path, settings)) is not None:
                    settings = new
                    service.apply(settings)
            service.tend()
            hold_on()
            if service.up.is_set():
                notify.ready(service.status())
    finally:
        log.info("stopping")
        notify.stopping()
        service.stop()
        store.close()
        log.info("stopped")


def reloaded(path: Path, old: Settings) -> Settings | None:
    """The configuration that holds from now on; None if it is wrong, and the old one stays."""
    try:
        settings = load(path)
    except ConfigError as problem:
        for line in problem.problems:
            log.error("configuration not taken over, the old one stays", error=line)
        return None
    for name, where in AT_START.items():
        if getattr(settings, name) != getattr(old, name):
            log.warning("this is taken over at the next start only", where=where)
    log.info("configuration taken over", count=len(settings.sources))
    return settings
