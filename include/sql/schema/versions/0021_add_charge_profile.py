"""Adds to a batch line the profile of its charge, if another profile sends the credits and reversals of that one.

Such a line counts as exported by the profile of the charge: its bursar reports about it.
"""

from alembic import op

revision = "0021"
down_revision = "0020"

SQL = """
ALTER TABLE batch_lines ADD COLUMN charge_profile text;
COMMENT ON COLUMN batch_lines.charge_profile IS
    'of a credit or reversal: the profile that exported the charge, if another one sends its credits; or else NULL';
DROP VIEW exported_fines;
CREATE VIEW exported_fines AS
SELECT batch_lines.fine_id, batch_lines.transaction_id, batch_lines.batch_id,
       coalesce(batch_lines.charge_profile, batches.profile) AS profile
FROM batch_lines JOIN batches ON batches.id = batch_lines.batch_id
WHERE batches.closed_at IS NOT NULL AND NOT batch_lines.reversal;
COMMENT ON VIEW exported_fines IS 'An exported fine, with its bursar (profile) and transaction id.';
"""


def upgrade() -> None:
    op.get_bind().connection.driver_connection.execute(SQL)  # many statements
