-- Copies the records of a file to another file as they were loaded, without their outcomes. The other file has new payments, so none
-- of them is one of an earlier file.
INSERT INTO import_records (file_id, number, line, transaction_id, internal_id, currency, sum, problem, identifier, reference, paid_on,
                            sum_of_file)
SELECT :to_file_id, number, line, transaction_id, internal_id, currency, sum, problem, identifier, reference, paid_on, sum_of_file
FROM import_records WHERE file_id = :from_file_id
ORDER BY number;
