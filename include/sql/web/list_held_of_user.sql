-- The overpayments of a user's fines, or of one of them, about which a person has to decide.
SELECT records.file_id, records.number AS record, records.fine_id, fines.currency, records.held_amount AS amount,
       records.matched_id AS transaction_id, import_files.name AS file_name, import_files.applied_at AS held_since
FROM fines
JOIN import_records AS records ON records.fine_id = fines.id AND records.held_amount > 0 AND records.decided_at IS NULL
JOIN import_files ON import_files.id = records.file_id
WHERE fines.user_id = :user_id AND (CAST(:fine_id AS bigint) IS NULL OR fines.id = :fine_id)
ORDER BY records.file_id, records.number
LIMIT 100;
