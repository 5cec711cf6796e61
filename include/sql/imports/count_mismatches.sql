-- requires: matches
-- How many records of a partition have an outcome that does not account for their sum, to the cent.
SELECT count(*)
FROM matches JOIN import_records AS records ON records.number = matches.number
WHERE matches.partition_number = :partition_number AND records.file_id = :file_id AND :amount_mode = 'incremental' AND records.applied IS NOT NULL
  AND records.amount <> records.applied + records.credit_amount + records.already_settled;
