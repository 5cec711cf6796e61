-- How many records of a share have an outcome that does not account for their sum, to the cent.
SELECT count(*)
FROM matched JOIN import_records AS records ON records.number = matched.number
WHERE matched.share = :share AND records.file_id = :file_id AND :amounts = 'incremental' AND records.applied IS NOT NULL
  AND records.amount <> records.applied + records.credited + records.settled_before;
