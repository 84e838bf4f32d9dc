"""The daemon: when a source is pulled, and how the service starts, reloads and stops. No rule about rosters lives here."""
