-- requires: matches
-- Counts the records of a partition whose outcome does not account for their sum: to the cent, or to less than the smallest unit of
-- the currency if the fine was exported with more decimals than that.
SELECT count(*)
FROM matches
JOIN import_records AS records ON records.number = matches.number
CROSS JOIN LATERAL (
    SELECT records.amount - (records.applied + records.credit_amount + coalesce(records.held_amount, 0) + records.already_settled)
) AS unexplained (amount)
WHERE matches.partition_number = :partition_number AND records.file_id = :file_id AND :amount_mode = 'incremental'
  AND records.applied IS NOT NULL AND unexplained.amount <> 0
  AND NOT EXISTS (
      SELECT FROM fines
      CROSS JOIN LATERAL (SELECT coalesce(CAST(CAST(:decimals AS jsonb) ->> fines.currency AS integer), 2)) AS of_currency (decimals)
      WHERE fines.id = matches.fine_id AND matches.exported <> round(matches.exported, decimals)
        AND trunc(unexplained.amount, decimals) = 0
  );
