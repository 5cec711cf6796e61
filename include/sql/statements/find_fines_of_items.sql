-- requires: expected_amounts, named_lines
-- Finds the fine of each line that names a user and an item. If there are several, the one with the same amount is meant; lines with equal
-- amounts go to equal fines in their order. Else one line is left and one fine. Nothing else is guessed.
WITH fines_of_items AS (
    SELECT fine_id, transaction_id, identifier, item_barcode, currency, amount,
           row_number() OVER (PARTITION BY identifier, item_barcode, currency, amount ORDER BY fine_id, transaction_id) AS place
    FROM expected_amounts
    WHERE item_barcode IS NOT NULL AND (amount <> 0 OR possible <> '{}')
      AND transaction_id NOT IN (SELECT transaction_id FROM named_lines WHERE fine_id IS NOT NULL)
), lines_of_items AS (
    SELECT number, identifier, reference, currency, amount,
           row_number() OVER (PARTITION BY identifier, reference, currency, amount ORDER BY number) AS place
    FROM named_lines WHERE fine_id IS NULL AND reason IS NULL
), equal AS (
    SELECT lines.number, fines.fine_id, fines.transaction_id
    FROM lines_of_items AS lines
    JOIN fines_of_items AS fines ON (fines.identifier, fines.item_barcode, fines.currency, fines.amount, fines.place)
                                  = (lines.identifier, lines.reference, lines.currency, lines.amount, lines.place)
), left_fines AS (
    SELECT identifier, item_barcode, currency, count(*) AS fines, min(fine_id) AS fine_id, min(transaction_id) AS transaction_id
    FROM fines_of_items WHERE transaction_id NOT IN (SELECT transaction_id FROM equal)
    GROUP BY identifier, item_barcode, currency
), left_lines AS (
    SELECT number, lines.identifier, lines.reference, lines.currency, count(*) OVER (PARTITION BY lines.identifier, lines.reference, lines.currency) AS lines
    FROM lines_of_items AS lines WHERE number NOT IN (SELECT number FROM equal)
), found AS (
    SELECT number, fine_id, transaction_id, CAST(NULL AS text) AS reason FROM equal
    UNION ALL
    SELECT number, CASE WHEN fines = 1 AND lines = 1 THEN left_fines.fine_id END,
           CASE WHEN fines = 1 AND lines = 1 THEN left_fines.transaction_id END,
           CASE WHEN fines IS NULL THEN 'there is no id, and no fine of this user and this item'
                WHEN fines > 1 OR lines > 1 THEN 'several fines of this user and this item could be meant' END
    FROM left_lines LEFT JOIN left_fines ON (left_fines.identifier, left_fines.item_barcode, left_fines.currency)
                                          = (left_lines.identifier, left_lines.reference, left_lines.currency)
)
UPDATE named_lines SET fine_id = found.fine_id, transaction_id = found.transaction_id, reason = found.reason
FROM found WHERE named_lines.number = found.number;
