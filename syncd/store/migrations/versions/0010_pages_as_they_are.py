"""PostgreSQL keeps the ids of pages as they are: to try and press them costs more than to write them, and gains next to nothing"""

from alembic import op

revision = "0010"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute("ALTER TABLE pages ALTER COLUMN ids SET STORAGE EXTERNAL")
