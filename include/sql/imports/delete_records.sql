-- Forgets what a reading that came to nothing left of a file's records.
DELETE FROM import_records WHERE file_id = :file_id;
