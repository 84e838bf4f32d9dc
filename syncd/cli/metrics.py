"""`syncd metrics`: what Prometheus is told, for a look, or for a file that its node exporter reads."""

import sys

from syncd.cli.app import app, settings
from syncd.metrics import exposition
from syncd.store import open_store


@app.command()
def metrics() -> None:
    """Print the metrics, in Prometheus' text format."""
    configured = settings()
    sys.stdout.write(exposition(open_store(configured.store_url, create=False), configured).decode())
