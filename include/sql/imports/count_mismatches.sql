-- requires: matches
-- Counts the records of a partition whose outcome does not account for their sum, to the cent.
SELECT count(*)
FROM matches JOIN import_records AS records ON records.number = matches.number
WHERE matches.partition_number = :partition_number AND records.file_id = :file_id AND :amount_mode = 'incremental' AND records.applied IS NOT NULL
  AND records.amount <> records.applied + records.credit_amount + coalesce(records.held_amount, 0) + records.already_settled;
