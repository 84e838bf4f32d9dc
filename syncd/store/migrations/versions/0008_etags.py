"""Where a known page was asked for, and what its provider calls its state (ETag): such a page need not be sent again"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pages", sa.Column("address", sa.LargeBinary(), nullable=True))
    op.add_column("pages", sa.Column("etag", sa.Text(), nullable=True))
