-- One file of payments, held against every other writer until this transaction ends.
SELECT * FROM import_files WHERE id = :file_id FOR UPDATE;
