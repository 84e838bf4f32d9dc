"""syncd keeps a district's roster true: it polls Clever and OneRoster and applies what changed.

The folders are the steps of the data's path; `docs/architecture.md` draws it.
"""

__version__ = "0.1.0"
