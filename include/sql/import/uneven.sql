-- How many records of a share have an outcome that does not account for their sum, to the cent.
SELECT count(*) FROM import_records
WHERE file_id = :file_id AND fine_id % :shares = :share AND applied IS NOT NULL AND :amounts = 'incremental'
  AND amount <> applied + credited + settled_before;
