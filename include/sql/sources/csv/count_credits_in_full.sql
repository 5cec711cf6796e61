-- requires: incoming_fines, staged_fines
-- Counts a credit in full if the charge that it reverses has been exported to a bursar or is held by a batch. The
-- library system has applied such a credit to the charge already, as its balance shows; the bursar has to receive all
-- of it. A known credit keeps its balance for the same reason. For every other credit, the balance in the file counts.
WITH credits AS MATERIALIZED (
    SELECT incoming.line, incoming.known_id, incoming.amount, incoming.balance, known.balance AS known_balance,
           coalesce(known.reverses, charges.id) AS charge_id
    FROM incoming_fines AS incoming
    JOIN staged_fines AS given ON given.line = incoming.line
    LEFT JOIN fines AS known ON known.id = incoming.known_id
    LEFT JOIN fines AS charges ON charges.source_id = given.reverses AND incoming.known_id IS NULL
    WHERE incoming.outcome IN ('added', 'paid_down') AND incoming.amount < 0
      AND incoming.balance BETWEEN incoming.amount AND 0    -- any other balance is an error of its own
), counted AS (
    SELECT line, CASE WHEN known_id IS NULL THEN 'added' ELSE 'unchanged' END AS outcome,
           coalesce(known_balance, amount) AS balance
    FROM credits
    WHERE EXISTS (SELECT FROM batch_claims WHERE batch_claims.fine_id = charge_id AND NOT batch_claims.reversal)
       OR EXISTS (SELECT FROM journal_entries WHERE journal_entries.fine_id = charge_id
                  AND journal_entries.entry_type IN ('EXPORTED', 'EXPORTED_AND_PAID'))
)
UPDATE incoming_fines AS incoming SET balance = counted.balance, outcome = counted.outcome
FROM counted WHERE counted.line = incoming.line AND counted.balance <> incoming.balance;
