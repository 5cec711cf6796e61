-- Copies the records of a file to another file as they were loaded, without their outcomes.
INSERT INTO import_records (file_id, number, line, transaction_id, internal_id, currency, sum, problem)
SELECT :to_file_id, number, line, transaction_id, internal_id, currency, sum, problem
FROM import_records WHERE file_id = :from_file_id
ORDER BY number;
