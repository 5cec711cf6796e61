-- Inserts the batch of a run of a profile; its number is part of the file name. An empty batch is closed immediately,
-- the batch of a dry run is released. The number is at least :export_number_start, and larger than that of every batch, also
-- if the start is lowered. The lock of the selection keeps two runs from reading the same largest number.
INSERT INTO batches (id, profile, run_id, requested_by, as_of, import_active, render_options, sftp_connection, output_file_path,
                     file_name, users, fines, totals, skipped, dry_run, closed_at, released_at)
OVERRIDING SYSTEM VALUE
SELECT number, :profile, :run_id, :requested_by, :as_of, :import_active, CAST(:render_options AS jsonb), :sftp_connection,
       :output_file_path,
       :profile || '-' || number || '-' || to_char(now() AT TIME ZONE :time_zone, 'YYYYMMDDHH24MISS')
           || CASE WHEN CAST(:dry_run AS boolean) THEN '-dry-run' ELSE '' END || '.xml',
       :users, :fines, CAST(:totals AS jsonb), CAST(:skipped AS jsonb), CAST(:dry_run AS boolean),
       CASE WHEN :fines = 0 AND NOT CAST(:dry_run AS boolean) THEN now() END, CASE WHEN CAST(:dry_run AS boolean) THEN now() END
FROM greatest(nextval(pg_get_serial_sequence('batches', 'id')), CAST(:export_number_start AS bigint),
              (SELECT max(id) + 1 FROM batches)) AS number
RETURNING id;
