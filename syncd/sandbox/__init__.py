"""The sandbox: a pretend district, served as Clever 3.0 and 3.1 and as OneRoster 1.1 and 1.2 at once.

For trying syncd without a district, and for its end-to-end tests. It shares no code with the connectors or
the sync: otherwise one misreading of a specification would pass on both sides.

    with running(District.generate(students=500, seed=1)) as sandbox:
        sandbox.clever_url, sandbox.oneroster_12_url, sandbox.token
        sandbox.day(3)
        sandbox.expected("clever-3.1", "users")
"""

from syncd.sandbox.district import District
from syncd.sandbox.habits import Habits
from syncd.sandbox.server import Sandbox, running, serve

__all__ = ["District", "Habits", "Sandbox", "running", "serve"]
