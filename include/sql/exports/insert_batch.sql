-- Inserts the batch of a run of a profile under its reserved number. An empty batch is closed immediately, the batch of a
-- dry run is released.
INSERT INTO batches (id, profile, run_id, requested_by, as_of, import_active, render_options, sftp_connection, output_file_path,
                     users, fines, totals, skipped, dry_run, closed_at, released_at)
OVERRIDING SYSTEM VALUE
VALUES (:id, :profile, :run_id, :requested_by, :as_of, :import_active, CAST(:render_options AS jsonb), :sftp_connection,
        :output_file_path, :users, :fines, CAST(:totals AS jsonb), CAST(:skipped AS jsonb), CAST(:dry_run AS boolean),
        CASE WHEN :fines = 0 AND NOT CAST(:dry_run AS boolean) THEN now() END, CASE WHEN CAST(:dry_run AS boolean) THEN now() END);
