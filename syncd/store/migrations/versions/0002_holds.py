"""What is held, what waits, and which school a user counts for"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "held_changes",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=True),
        sa.Column("old_id", sa.Text(), nullable=True),
        sa.Column("record", sa.Text(), nullable=True),
        sa.Column("seen_run", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("source", "run", "kind", "record_id", name=op.f("pk_held_changes")),
    )
    op.create_table(
        "waiting",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=True),
        sa.Column("record", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("source", "id", name=op.f("pk_waiting")),
    )
    op.add_column("users", sa.Column("home_id", sa.Text(), nullable=True))
    op.add_column("runs", sa.Column("quality", sa.Text(), nullable=False, server_default="{}"))
    op.add_column("runs", sa.Column("settles", sa.Integer(), nullable=True))
    op.add_column("runs", sa.Column("settled_by", sa.Integer(), nullable=True))
    op.add_column("runs", sa.Column("left_out", sa.Integer(), nullable=False, server_default="0"))
    # The next full pull fills it in for everybody; until then the first role that names an org is near enough.
    first = "json_extract(roles, '$[0].org_id')" if op.get_bind().dialect.name == "sqlite" else "roles::jsonb #>> '{0,org_id}'"
    op.execute(f"UPDATE users SET home_id = {first}")  # nosec B608  # one of the two above
