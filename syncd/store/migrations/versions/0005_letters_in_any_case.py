"""A function for text as it is compared where case does not matter (`columns.folded`); SQLite gets its own with each connection"""

from alembic import op
from sqlalchemy import text

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# The first that the server has: the letters of all languages, whatever the database's own locale.
COLLATIONS = ("pg_unicode_fast", "pg_c_utf8", "und-x-icu", "default")


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    known = set(connection.execute(text("SELECT collname FROM pg_collation")).scalars())
    collation = next(name for name in COLLATIONS if name in known)
    op.execute(
        "CREATE FUNCTION folded(text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURNS NULL ON NULL INPUT "
        f'RETURN lower(normalize($1, NFC) COLLATE "{collation}")'
    )
