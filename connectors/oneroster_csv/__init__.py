"""OneRoster as CSV files, 1.1 and 1.2: what a SIS exports, in a zip or a folder."""

from connectors.oneroster_csv.connector import OneRosterCsvConnector

__all__ = ["OneRosterCsvConnector"]
