-- Lists the overpayments beyond the limit, oldest first: of a profile, a file or a record, or (NULL) of all. With :waiting_only,
-- only those about which no person has decided. `is_taken_back`: a later sum of the opposite sign for the fine takes the payment
-- back, or more than can be reversed by itself.
SELECT records.file_id, records.number AS record, import_files.name AS file_name, import_files.profile,
       records.matched_id AS transaction_id, records.fine_id, fines.currency, records.held_amount AS amount,
       coalesce(import_files.applied_at, now()) AS held_since, records.held_decision AS decision, records.decided_by,
       records.decided_at, records.released_credit_id AS credit_id,
       EXISTS (
           SELECT FROM (
               SELECT opposite.file_id, opposite.number
               FROM journal_entries JOIN import_records AS opposite ON opposite.file_id = journal_entries.import_file_id
                   AND opposite.number = journal_entries.import_record
               WHERE journal_entries.fine_id = records.fine_id AND opposite.outcome = 'PAYMENT_REVERSED'
               UNION ALL
               SELECT file_id, number FROM import_records
               WHERE fine_id = records.fine_id AND applied IS NULL AND outcome = 'INVALID' AND amount * fines.amount < 0
           ) AS later JOIN import_files AS later_files ON later_files.id = later.file_id
           WHERE later.file_id = records.file_id AND later.number > records.number
              OR later.file_id <> records.file_id
                 AND coalesce(later_files.applied_at, now()) >= coalesce(import_files.applied_at, now())
       ) AS is_taken_back
FROM import_records AS records
JOIN import_files ON import_files.id = records.file_id
JOIN fines ON fines.id = records.fine_id
WHERE records.held_amount > 0 AND (records.decided_at IS NULL OR NOT :waiting_only)
  AND (CAST(:profile AS text) IS NULL OR import_files.profile = :profile)
  AND (CAST(:file_id AS bigint) IS NULL OR records.file_id = :file_id)
  AND (CAST(:record AS integer) IS NULL OR records.number = :record)
ORDER BY records.file_id, records.number;
