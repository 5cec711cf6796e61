"""Adds the index by which the forms of the pages list the types of fines."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.execute("CREATE INDEX fines_fine_fee_type ON fines (fine_fee_type)")
