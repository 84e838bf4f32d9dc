"""Import templates: organizations, groups, users and students, as CSV or Excel files that people fill in or a SIS exports."""

from connectors.templates.connector import TemplatesConnector

__all__ = ["TemplatesConnector"]
