-- A page of the overpayments of some profiles about which no person has decided, oldest first, after a record of a file.
SELECT records.file_id, records.number AS record, import_files.profile, records.fine_id, fines.currency,
       records.held_amount AS amount, coalesce(import_files.applied_at, now()) AS held_since
FROM import_records AS records
JOIN import_files ON import_files.id = records.file_id
JOIN fines ON fines.id = records.fine_id
WHERE records.held_amount > 0 AND records.decided_at IS NULL AND (records.file_id, records.number) > (:after, :record)
  AND import_files.profile = ANY (CAST(:profiles AS text[]))
ORDER BY records.file_id, records.number LIMIT :limit;
