-- Deletes the records of a file that an interrupted load has left.
DELETE FROM import_records WHERE file_id = :file_id;
