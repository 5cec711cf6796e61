"""An arrival is the same file as an earlier one, and no later one; also on a server that lists no times."""

from alembic import op

revision = "0013"
down_revision = "0012"

SQL = """
-- An arrival of a file that another arrival has applied. `same_arrival_id`: the first arrival with the same name, size
-- and time, or with the same name and size where the server lists no times: the file was not moved away since.
CREATE OR REPLACE VIEW repeated_arrivals AS
SELECT arrivals.id, arrivals.profile, arrivals.run_id, arrivals.name, files.id AS file_id, files.name AS applied_name,
       files.applied_at, same.id IS NOT NULL AS is_same_file,
       again.id AS again_file_id, again.requested_by, again.applied_at AS applied_again_at,
       same.id AS same_arrival_id, arrivals.size, arrivals.modified, files.records, files.totals
FROM file_arrivals AS arrivals
JOIN import_files AS files ON files.id = arrivals.file_id AND files.applied_at IS NOT NULL
LEFT JOIN import_files AS again ON again.repeated_arrival_id = arrivals.id
LEFT JOIN LATERAL (
    SELECT min(earlier.id) AS id FROM file_arrivals AS earlier
    WHERE earlier.file_id = arrivals.file_id AND earlier.id < arrivals.id
      AND (earlier.profile, earlier.name, earlier.size, earlier.modified)
          = (arrivals.profile, arrivals.name, arrivals.size, arrivals.modified)
) AS same ON true
WHERE arrivals.id IS DISTINCT FROM (
    SELECT min(first.id) FROM file_arrivals AS first
    WHERE first.file_id = files.id AND first.profile = files.profile AND first.run_id = files.applied_by_run_id);
"""


def upgrade() -> None:
    op.get_bind().connection.driver_connection.execute(SQL)
