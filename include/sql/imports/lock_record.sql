-- Locks a record of a file until this transaction ends.
SELECT FROM import_records WHERE file_id = :file_id AND number = :record FOR UPDATE;
