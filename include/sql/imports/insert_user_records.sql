-- requires: user_records
-- Inserts the records of a file that name a user, have no id of a fine, and no outcome yet.
INSERT INTO user_records
SELECT number, line, identifier, reference, currency, sum, CAST(sum AS numeric(14, 3))
FROM import_records
WHERE file_id = :file_id AND outcome IS NULL AND problem IS NULL AND identifier IS NOT NULL AND transaction_id IS NULL
  AND internal_id IS NULL AND sum ~ '^[+-]?[0-9]{1,11}([.][0-9]{0,3}0{0,20})?$';
