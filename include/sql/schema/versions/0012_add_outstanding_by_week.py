"""Adds what the overview needs: outstanding amounts by week, and indexes for sums by week and runs by profile."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE outstanding_by_week (
            week       date        PRIMARY KEY,                 -- its Monday, in the institution's time zone
            counted_at timestamptz NOT NULL,
            sums       jsonb       NOT NULL                     -- [{profile, currency, days, fines, amount}]
        );
        COMMENT ON TABLE outstanding_by_week IS
            'The amounts outstanding at bursars, by time since the export, as they were last counted in a week.';
        CREATE INDEX batches_closed_at ON batches (closed_at) WHERE closed_at IS NOT NULL;
        CREATE INDEX import_files_applied_at ON import_files (applied_at) WHERE applied_at IS NOT NULL;
        CREATE INDEX run_reports_of_profile ON run_reports (profile, job, started_at DESC, id DESC);
        """
    )
