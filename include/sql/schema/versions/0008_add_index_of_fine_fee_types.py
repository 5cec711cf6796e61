"""Adds the index by which the forms of the pages list the types of fines."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute("CREATE INDEX fines_fine_fee_type ON fines (fine_fee_type)")
