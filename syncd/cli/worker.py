"""`syncd worker`: pulls what `syncd serve` queues, where several machines share a store."""

from syncd.cli.app import app, config_path
from syncd.daemon import cluster
from syncd.observe import logs
from syncd.settings.file import load


@app.command()
def worker() -> None:
    """Pull what is due, beside other workers on any machine, until stopped."""
    path = config_path()
    settings = load(path)
    logs.configure_service(settings.log_level)
    cluster.require(settings)
    from syncd.daemon.worker import work

    work(path, settings)
