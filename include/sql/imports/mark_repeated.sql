-- Marks the records of a file whose payment an earlier file of the profile had, so that they have no effect. Where a file has equal
-- records, as many are marked as one earlier file had. A record that had no effect because no fine was found is not an earlier one.
UPDATE import_records AS record
SET outcome = 'REPEATED', amount = found.amount, reason = 'an earlier file had this payment'
FROM (
    SELECT number, payment_key,
           CASE WHEN sum ~ '^[+-]?[0-9]{1,11}([.][0-9]{0,3}0{0,20})?$' THEN CAST(sum AS numeric(14, 3)) END AS amount,
           row_number() OVER (PARTITION BY payment_key ORDER BY number) AS occurrence
    FROM import_records WHERE file_id = :file_id AND payment_key IS NOT NULL
) AS found
JOIN (
    SELECT payment_key, max(occurrences) AS occurrences
    FROM (
        SELECT earlier.payment_key, earlier.file_id, count(*) AS occurrences
        FROM import_records AS earlier JOIN import_files ON import_files.id = earlier.file_id
        WHERE earlier.payment_key IN (SELECT payment_key FROM import_records WHERE file_id = :file_id)
          AND earlier.file_id <> :file_id AND import_files.profile = :profile
          AND earlier.outcome NOT IN ('UNMATCHED', 'AMBIGUOUS', 'CURRENCY_MISMATCH', 'INVALID')
        GROUP BY earlier.payment_key, earlier.file_id
    ) AS of_files GROUP BY payment_key
) AS seen ON seen.payment_key = found.payment_key AND found.occurrence <= seen.occurrences
WHERE record.file_id = :file_id AND record.number = found.number AND record.outcome IS NULL;
