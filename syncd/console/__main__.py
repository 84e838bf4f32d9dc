"""`python -m syncd.console CONFIGURATION`: the process that `syncd serve` starts and ends. It ends with the one that started it."""

import os
import socket
import sys
import threading
from pathlib import Path

import structlog
import uvicorn

from syncd.console.app import make_app
from syncd.console.prompt import Prompt
from syncd.console.site import Site
from syncd.errors import SyncdError
from syncd.observe import logs
from syncd.settings.file import load
from syncd.store import open_store

log = structlog.get_logger()

# Connections at once, those of the live log among them; who comes then is told so (503).
MOST = 1_500
# Connections of a database that are kept open: a page asks a dozen questions, and to connect takes longer than to answer one.
KEPT = 4


def main() -> int:
    """Serve until SIGTERM, or until standard input ends: whoever started this is gone."""
    path = Path(sys.argv[1])
    settings = load(path, secrets=())
    logs.configure_service(settings.log_level)
    console = settings.console
    site = Site(path, settings, open_store(settings.store_url, create=False, kept=KEPT))
    server = uvicorn.Server(
        uvicorn.Config(
            make_app(site),
            http=Prompt,
            limit_concurrency=MOST,
            log_config=None,
            # What people search for stands in addresses.
            access_log=False,
            server_header=False,
            date_header=True,
            proxy_headers=console.behind_proxy,
            forwarded_allow_ips="*" if console.behind_proxy else None,
            ssl_certfile=console.certificate,
            ssl_keyfile=console.private_key,
            timeout_graceful_shutdown=3,
            timeout_keep_alive=65,
        )
    )

    def end_with_the_daemon() -> None:
        sys.stdin.buffer.read()
        server.should_exit = True

    threading.Thread(target=end_with_the_daemon, daemon=True).start()
    try:
        listening = socket.create_server((console.host, console.port), family=socket.AF_INET6 if ":" in console.host else socket.AF_INET)
    except OSError as problem:
        log.error(
            "the console can not listen there", address=console.host, port=console.port, error=problem.strerror or type(problem).__name__
        )
        return 1
    scheme, port = "https" if console.certificate else "http", listening.getsockname()[1]
    log.info("console is served", address=f"{scheme}://{console.host}:{port}", pid=os.getpid())
    server.run(sockets=[listening])
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SyncdError as problem:
        log.error("the console could not start", error=str(problem))
        sys.exit(problem.exit_code)
