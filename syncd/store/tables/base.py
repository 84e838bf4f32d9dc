"""What all tables belong to."""

from sqlalchemy import BigInteger, Integer, MetaData

metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"},
)

# SQLite's integers have room for what PostgreSQL's plain ones have not: a pull of a million users has five thousand million bytes.
LARGE = BigInteger().with_variant(Integer, "sqlite")
