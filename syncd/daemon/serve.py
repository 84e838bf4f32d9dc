"""The service's life: start, SIGHUP reads the configuration anew, SIGTERM and SIGINT stop cleanly."""

import os
import signal
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import structlog

from syncd import __version__, signals
from syncd.contract import discovery
from syncd.daemon import cluster, notify
from syncd.daemon.configuration import Configuration
from syncd.daemon.console import Console
from syncd.daemon.scheduler import Scheduler
from syncd.daemon.service import Service
from syncd.settings.file import Settings
from syncd.store import Store, members, open_store
from syncd.store.lease import serve_alone

log = structlog.get_logger()

# Seconds between two looks at the scheduler, at the lock, and at what was set up in the console.
TEND = 2


def serve(path: Path, settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; a second signal ends at once.

    Raises StoreError or ConfigError when it can not start, DaemonRunning when another daemon serves the store, SyncdError when the
    scheduler died: then the service manager starts the daemon anew.
    """
    store = open_store(settings.store_url, kept=settings.workers)
    if settings.cluster.enabled:
        with cluster.member(store, settings, members.SERVE) as membership:
            # What it needs is installed only where several machines share a store.
            from syncd.daemon.dispatcher import Dispatcher

            configuration = Configuration(path, settings, store)
            _serve(configuration, store, Dispatcher(membership, configuration.settings))
        return
    with serve_alone(store) as hold_on:
        store.refuse_damaged()
        configuration = Configuration(path, settings, store)
        _serve(configuration, store, Scheduler(store, configuration.settings), hold_on)


def _serve(configuration: Configuration, store: Store, service: Service, hold_on: Callable[[], None] = lambda: None) -> None:
    wake, stopping, reloading = threading.Event(), threading.Event(), threading.Event()

    def on_stop(number: int) -> None:
        if stopping.is_set():
            os._exit(128 + number)
        stopping.set()
        wake.set()

    def on_reload() -> None:
        reloading.set()
        wake.set()

    stops: dict[int, Callable[[], None]] = {number: partial(on_stop, number) for number in (signal.SIGTERM, signal.SIGINT)}
    with signals.on({**stops, signal.SIGHUP: on_reload}):
        service.start()
        for name, where in discovery.installed():
            log.info("connector installed", connector=name, where=where)
        log.info("started", version=__version__, count=len(configuration.settings.sources), pid=os.getpid())
        console = Console(configuration.path) if configuration.settings.console.enabled else None
        try:
            while not stopping.is_set():
                wake.wait(TEND)
                wake.clear()
                if reloading.is_set() and not stopping.is_set():
                    reloading.clear()
                    notify.reloading()
                    if configuration.reload():
                        service.apply(configuration.settings)
                elif configuration.look():
                    service.take_over(configuration.settings)
                service.tend()
                hold_on()
                if service.up.is_set():
                    notify.ready(service.status())
                if console:
                    console.tend()
        finally:
            log.info("stopping")
            notify.stopping()
            # What runs ends first, and can be watched until then.
            service.stop()
            if console:
                console.stop()
            store.close()
            log.info("stopped")
