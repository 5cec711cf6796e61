-- Returns a file of payments.
SELECT * FROM import_files WHERE id = :file_id;
