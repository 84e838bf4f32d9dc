"""What people ask for in the console, what a dry run of theirs would change, who asked for a run, and which sources rest"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "orders",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("options", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("taken_by", sa.Text(), nullable=True),
        sa.Column("job", sa.BigInteger(), nullable=True),
        sa.Column("run", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_orders_source_id", "orders", ["source", "id"])
    still_open = sa.text("ended_at IS NULL")
    op.create_index("ix_orders_open", "orders", ["source", "id"], sqlite_where=still_open, postgresql_where=still_open)
    op.create_table(
        "previews",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("order", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("held", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("source", "order", "seq", name=op.f("pk_previews")),
    )
    op.add_column("runs", sa.Column("account", sa.Text(), nullable=True))
    op.add_column("runs", sa.Column("asked", sa.Integer(), nullable=True))
    ordered = sa.text("asked IS NOT NULL")
    op.create_index("ix_runs_asked", "runs", ["source", "asked"], sqlite_where=ordered, postgresql_where=ordered)
    op.add_column("sources", sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("sources", sa.Column("paused_by", sa.Text(), nullable=True))
