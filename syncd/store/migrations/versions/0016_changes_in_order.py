"""Runs that changed something have a place, in the order in which they applied"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("applied", sa.Integer(), nullable=True))
    # So far nobody wrote down in which order they applied: the end of a run is near it.
    op.execute(
        """
        UPDATE runs SET applied = (
            SELECT placed.place FROM (
                SELECT id, row_number() OVER (ORDER BY finished_at, id) AS place FROM runs AS ended
                WHERE finished_at IS NOT NULL AND EXISTS (
                    SELECT 1 FROM changes WHERE changes.source = ended.source AND changes.run = ended.id
                )
            ) AS placed WHERE placed.id = runs.id
        )
        """
    )
    changed = sa.text("applied IS NOT NULL")
    op.create_index("ix_runs_applied", "runs", ["applied"], unique=True, sqlite_where=changed, postgresql_where=changed)
