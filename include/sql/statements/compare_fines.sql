-- requires: compared_amounts, expected_amounts, named_lines
-- Compares the sums of the lines of each fine with what the ledger has: of what is open by the fine, of what was billed by the transaction.
INSERT INTO compared_amounts
SELECT ours.user_id, coalesce(ours.fine_id, theirs.fine_id), coalesce(ours.transaction_id, theirs.transaction_id),
       coalesce(ours.identifier, theirs.identifier), theirs.line, coalesce(theirs.lines, 0), coalesce(ours.currency, theirs.currency),
       coalesce(ours.amount, 0), coalesce(theirs.amount, 0), coalesce(coalesce(theirs.amount, 0) = ANY(ours.possible), false),
       CASE WHEN ours.fine_id IS NULL THEN 'the fine was exported in another currency' END
FROM (
    SELECT *, CASE WHEN :lists = 'open' THEN CAST(fine_id AS text) ELSE transaction_id END AS subject FROM expected_amounts
) AS ours
FULL JOIN (
    SELECT CASE WHEN :lists = 'open' THEN CAST(fine_id AS text) ELSE transaction_id END AS subject, currency, sum(amount) AS amount,
           count(*) AS lines, min(line) AS line, min(fine_id) AS fine_id, min(transaction_id) AS transaction_id, min(identifier) AS identifier
    FROM named_lines WHERE reason IS NULL GROUP BY 1, 2
) AS theirs ON theirs.subject = ours.subject AND theirs.currency = ours.currency
WHERE ours.amount <> 0 OR theirs.lines > 0;
