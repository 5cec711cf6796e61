-- Locks the arrival of a file until this transaction ends.
SELECT FROM file_arrivals WHERE id = :arrival_id FOR UPDATE;
