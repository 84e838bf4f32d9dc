"""Which files a run has read is kept"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("files", sa.Text(), nullable=False, server_default="[]"))
