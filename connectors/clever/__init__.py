"""Clever: Data API 3.0 and 3.1."""

from connectors.clever.connector import CleverConnector

__all__ = ["CleverConnector"]
