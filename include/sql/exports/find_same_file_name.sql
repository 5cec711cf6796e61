-- Returns an unfinished batch that has a file of one of the given names in the same folder; no row if there is none.
SELECT batches.id, batches.profile, batch_files.file_name
FROM batches JOIN batch_files ON batch_files.batch_id = batches.id
WHERE closed_at IS NULL AND released_at IS NULL
  AND sftp_connection = :sftp_connection AND output_file_path = :output_file_path
  AND file_name = ANY (CAST(:file_names AS text[]))
LIMIT 1;
