-- Opens a batch for one run of a profile. Its number names the file; a batch with nothing in it is closed at birth.
INSERT INTO batches (id, profile, run, as_of, import_active, document, sftp_connection, output_file_path, file_name,
                     users, fines, totals, left_behind, closed_at)
OVERRIDING SYSTEM VALUE
SELECT number, :profile, :run, :as_of, :import_active, CAST(:document AS jsonb), :sftp_connection, :output_file_path,
       :profile || '-' || number || '-' || to_char(now() AT TIME ZONE :time_zone, 'YYYYMMDDHH24MISS') || '.xml',
       :users, :fines, CAST(:totals AS jsonb), CAST(:left_behind AS jsonb), CASE WHEN :fines = 0 THEN now() END
FROM nextval(pg_get_serial_sequence('batches', 'id')) AS number
RETURNING *;
