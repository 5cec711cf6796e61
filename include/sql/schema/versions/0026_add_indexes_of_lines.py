"""Adds the indexes by which lines are found for a user's identifier, and credits for the charges of other profiles."""

from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    op.execute(
        """
        CREATE INDEX batch_lines_identifier ON batch_lines (identifier);
        CREATE INDEX batch_lines_of_other_charges ON batch_lines (batch_id) WHERE charge_profile IS NOT NULL;
        """
    )
