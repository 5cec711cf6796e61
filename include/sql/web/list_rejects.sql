-- A page of the records of a file that a person has to look at, in the order of the file, after the number :after. The rule is that
-- of imports/list_rejects.sql, and of an index.
SELECT records.line, records.number AS record, records.outcome,
       CASE WHEN records.held_decision IS NULL THEN records.reason
            ELSE 'overpaid, and ' || records.held_decision || ' by ' || records.decided_by END AS reason,
       records.transaction_id, records.internal_id, records.currency, records.sum, records.fine_id
FROM import_records AS records
WHERE records.file_id = :file_id AND records.number > :after
  AND (records.outcome NOT IN ('PAID', 'PARTLY_PAID', 'OVERPAID', 'REPEATED') OR records.already_settled <> 0)
ORDER BY records.number
LIMIT :limit;
