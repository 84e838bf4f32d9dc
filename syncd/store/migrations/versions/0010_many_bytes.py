"""A pull may have more bytes than PostgreSQL's plain integers can tell"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.alter_column("runs", "bytes", type_=sa.BigInteger())
