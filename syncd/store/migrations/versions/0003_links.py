"""Who is the same person in several sources"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "links",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("other_source", sa.Text(), nullable=False),
        sa.Column("other_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("doubt", sa.Text(), nullable=True),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("found_run", sa.Integer(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("source", "user_id", "other_source", "other_id", name=op.f("pk_links")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("links", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_links_other_source_other_id"), ["other_source", "other_id"], unique=False)
    op.add_column("sources", sa.Column("people", sa.Text(), nullable=True))
    op.add_column("sources", sa.Column("linked_run", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("runs", sa.Column("linked", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("runs", sa.Column("proposed", sa.Integer(), nullable=False, server_default="0"))
