-- The payment records for a fine that had no effect, in the order of their files.
SELECT import_files.name, import_files.applied_at, import_records.line, import_records.sum, import_records.currency,
       import_records.outcome, import_records.reason
FROM import_records JOIN import_files ON import_files.id = import_records.file_id
WHERE import_records.fine_id = :fine_id AND import_records.applied IS NULL AND import_files.applied_at IS NOT NULL
ORDER BY import_records.file_id, import_records.number;
