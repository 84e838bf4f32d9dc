"""OneRoster 1.1 and 1.2 over REST."""

from connectors.oneroster.connector import OneRosterConnector

__all__ = ["OneRosterConnector"]
