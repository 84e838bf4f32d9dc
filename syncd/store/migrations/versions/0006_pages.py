"""What came in the last full pull, page by page; who is active, by an index"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pages",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("first", sa.Text(), nullable=True),
        sa.Column("last", sa.Text(), nullable=True),
        sa.Column("fingerprints", sa.LargeBinary(), nullable=False),
        sa.Column("ids", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("source", "resource", "number", name=op.f("pk_pages")),
    )
    op.create_table(
        "unsettled",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("source", "resource", "document_id", name=op.f("pk_unsettled")),
    )
    school = {"sections": ["school_id"], "users": ["home_id"], "enrollments": ["school_id"]}
    for table in ("orgs", "terms", "courses", "sections", "users", "enrollments"):
        op.create_index(f"ix_{table}_counted", table, ["source", "status", "deactivated_at", *school.get(table, [])])
    op.drop_index("ix_enrollments_source_section_id", "enrollments")
    op.create_index("ix_enrollments_source_section_id_role", "enrollments", ["source", "section_id", "role"])
    op.add_column("sources", sa.Column("known", sa.Text(), nullable=True))
    if op.get_bind().dialect.name == "postgresql":
        # Fingerprints do not shrink.
        op.execute("ALTER TABLE pages ALTER COLUMN fingerprints SET STORAGE EXTERNAL")
