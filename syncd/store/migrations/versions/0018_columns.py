"""Which column of a spreadsheet is which field is remembered"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "matched",
        sa.Column("source", sa.Text(), primary_key=True),
        sa.Column("column", sa.Text(), primary_key=True),
        sa.Column("field", sa.Text(), nullable=False),
    )
