-- requires: compared_amounts
-- Finds a fine, or a user, whose lines add up to more than an amount in the ledger can have; the first one of the file.
SELECT line, lines, theirs, transaction_id FROM compared_amounts
WHERE abs(theirs) > 99999999999.999 ORDER BY line LIMIT 1;
