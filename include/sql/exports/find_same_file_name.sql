-- Returns an unfinished batch that has the same file name in the same folder; no row if there is none.
SELECT id, profile FROM batches
WHERE closed_at IS NULL AND released_at IS NULL
  AND sftp_connection = :sftp_connection AND output_file_path = :output_file_path AND file_name = :file_name
LIMIT 1;
