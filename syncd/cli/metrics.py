"""`syncd metrics`: what Prometheus is told, for a look, or for a file that its node exporter reads."""

import sys

from syncd.cli.app import app, opened
from syncd.metrics import exposition


@app.command()
def metrics() -> None:
    """Print the metrics, in Prometheus' text format."""
    configured, kept = opened(create=False)
    sys.stdout.write(exposition(kept, configured).decode())
