-- Lists the records of an applied file that a person has to look at, in the order of the file: without effect, of an amount that
-- had been settled, overpaid beyond the limit, or a payment that was reversed.
SELECT import_files.name AS file, records.line, records.number AS record, records.outcome,
       CASE WHEN records.held_decision IS NULL THEN records.reason
            ELSE 'overpaid, and ' || records.held_decision || ' by ' || records.decided_by END AS reason,
       records.transaction_id, records.internal_id, records.currency, records.sum
FROM import_records AS records JOIN import_files ON import_files.id = records.file_id
WHERE records.file_id = :file_id
  AND (records.outcome NOT IN ('PAID', 'PARTLY_PAID', 'OVERPAID', 'REPEATED') OR records.already_settled <> 0)
ORDER BY records.number;
