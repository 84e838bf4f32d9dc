"""What is told outside: running totals for metrics, what people are to know, and what is sent to whom"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

LARGE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("runs", sa.Column("retries", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("runs", sa.Column("answers", sa.Text(), nullable=False, server_default="{}"))
    # Nobody is told of the runs that were before.
    op.add_column("runs", sa.Column("reported", sa.Boolean(), nullable=False, server_default=sa.true()))
    _index("ix_runs_held", "runs", "state = 'held'")
    _index("ix_runs_unreported", "runs", "reported IS 0" if op.get_context().dialect.name == "sqlite" else "reported IS false")
    op.create_table(
        "tallies",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("value", LARGE, nullable=False),
        sa.PrimaryKeyConstraint("source", "name", "label", name=op.f("pk_tallies")),
    )
    op.create_table(
        "notices",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("amount", sa.Integer(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("over_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("source", "rule", "about", name=op.f("pk_notices")),
    )
    op.create_table(
        "targets",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("channel", "name", name=op.f("pk_targets")),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sqlite_autoincrement=True,
    )
    _index("ix_deliveries_waiting", "deliveries", "state = 'waiting'")
    op.create_table(
        "looks",
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("what", name=op.f("pk_looks")),
    )


def _index(name: str, table: str, which: str) -> None:
    op.create_index(name, table, ["source", "id"], sqlite_where=sa.text(which), postgresql_where=sa.text(which))
