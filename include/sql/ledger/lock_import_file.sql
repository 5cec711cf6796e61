-- Returns a file of payments, locked against every other writer until this transaction ends.
SELECT * FROM import_files WHERE id = :file_id FOR UPDATE;
