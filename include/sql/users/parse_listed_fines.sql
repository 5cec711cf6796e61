-- requires: listed_fines
-- Parses the ids of a file as numbers.
UPDATE listed_fines SET fine_id = CAST(given AS bigint) WHERE given ~ '^[0-9]{1,18}$';
