"""The roster of a source as OneRoster's collections: which records a reader sees, filtered, sorted, page by page.

A reader has one source and, perhaps, some of its schools only: the orgs of these and those above them, what is taught there, who is there
by a role or an enrollment, and those people's guardians. Whatever is asked for, that comes first; a record that is not the reader's is not
there. What somebody types is always a bound value, never a part of a statement.
"""
