"""An index alone tells who is enrolled in a section; PostgreSQL keeps the ids of pages as they are, since they do not shrink"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_enrollments_source_section_id_role", "enrollments")
    op.create_index("ix_enrollments_source_section_id_role_status", "enrollments", ["source", "section_id", "role", "status"])
    if op.get_context().dialect.name == "postgresql":
        op.execute("ALTER TABLE pages ALTER COLUMN ids SET STORAGE EXTERNAL")
