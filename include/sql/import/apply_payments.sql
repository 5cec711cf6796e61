-- Writes what a share of a file paid into the journal, one entry a record; its trigger lowers outstanding and transfers the
-- fines. In the order of the fines, in which indexes take entries and rows most easily.
INSERT INTO journal (fine_id, kind, outstanding_change, import_file_id, import_record)
SELECT fine_id, 'PAID_AT_BURSAR', -applied, file_id, number
FROM import_records WHERE file_id = :file_id AND fine_id % :shares = :share AND applied IS NOT NULL
ORDER BY fine_id, number;
