-- Counts the records of a file that have no outcome.
SELECT count(*) FROM import_records WHERE file_id = :file_id AND outcome IS NULL;
