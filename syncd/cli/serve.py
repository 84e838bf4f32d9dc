"""`syncd serve`: the daemon."""

from syncd.cli.app import app, config_path
from syncd.daemon.serve import serve as run_daemon
from syncd.errors import ConfigError
from syncd.observe import logs
from syncd.settings.file import load


@app.command()
def serve() -> None:
    """Run the daemon: pull each source on its schedule, until stopped."""
    path = config_path()
    settings = load(path)
    if missing := settings.console.missing():
        raise ConfigError(*(f"{path}: [console] {line}" for line in missing))
    logs.configure_service(settings.log_level)
    run_daemon(path, settings)
