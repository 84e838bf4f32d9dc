"""The neutral roster: OneRoster's model in Clever's and OneRoster's common words. Pure values; imports nothing above it.

`docs/roster.md` says what each field becomes from what each source sends.
"""
