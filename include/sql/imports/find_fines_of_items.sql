-- requires: outstanding_fines, user_records
-- Finds the one outstanding fine of the user and the item that a record names, in its currency and with the sign of its sum. A record
-- for which there is none, or more than one, gets its outcome: nothing is guessed.
UPDATE import_records AS record
SET found_fine_id = CASE WHEN found.fines = 1 THEN found.fine_id END,
    outcome = CASE WHEN found.fines = 0 THEN 'UNMATCHED' WHEN found.fines > 1 THEN 'AMBIGUOUS' END,
    amount = CASE WHEN found.fines <> 1 THEN found.amount END,
    reason = CASE
        WHEN found.fines = 0 THEN 'there is no id, and no outstanding fine of this user and this item'
        WHEN found.fines > 1 THEN
            found.fines || ' outstanding fines of this user and this item could be meant: the transactions ' || found.transactions
            || CASE WHEN found.fines > 3 THEN ' and others' ELSE '' END || '. Ask the bursar which one, and for a record with its id'
    END
FROM (
    SELECT user_records.number, user_records.amount, count(fines.fine_id) AS fines, min(fines.fine_id) AS fine_id,
           array_to_string((array_agg(fines.transaction_id ORDER BY fines.fine_id))[1:3], ', ') AS transactions
    FROM user_records
    LEFT JOIN outstanding_fines AS fines ON fines.identifier = user_records.identifier
        AND fines.item_barcode = user_records.reference AND fines.currency = user_records.currency
        AND sign(fines.outstanding) = sign(user_records.amount)
    GROUP BY user_records.number, user_records.amount
) AS found
WHERE record.file_id = :file_id AND record.number = found.number;
