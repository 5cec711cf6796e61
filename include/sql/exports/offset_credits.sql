-- Offsets credits against the charges that they reverse, where the same bursar has received both, one of them in this
-- batch. The smaller amount is no longer outstanding on either: the bursar would never report it as paid.
INSERT INTO journal_entries (fine_id, entry_type, outstanding_change, batch_id)
WITH pairs AS MATERIALIZED (
    SELECT fines.id AS credit_id, fines.reverses AS charge_id
    FROM batch_lines JOIN fines ON fines.id = batch_lines.fine_id
    WHERE batch_lines.batch_id = :batch_id AND batch_lines.reversed_transaction_id IS NOT NULL AND fines.outstanding < 0
    UNION
    SELECT fines.id, fines.reverses
    FROM batch_lines JOIN fines ON fines.reverses = batch_lines.fine_id
    WHERE batch_lines.batch_id = :batch_id AND NOT batch_lines.reversal AND fines.outstanding < 0
), locked AS MATERIALIZED (    -- the desk or an import may use them; in the order in which an import locks
    SELECT id, outstanding FROM fines
    WHERE id IN (SELECT credit_id FROM pairs UNION SELECT charge_id FROM pairs)
    ORDER BY id FOR UPDATE
), sent AS (
    SELECT credits.id AS credit_id, charges.id AS charge_id, charges.outstanding AS charge, -credits.outstanding AS credit,
           coalesce(sum(-credits.outstanding) OVER (PARTITION BY charges.id ORDER BY credits.id
                                                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS credit_amount
    FROM pairs
    JOIN locked AS credits ON credits.id = pairs.credit_id AND credits.outstanding < 0
    JOIN locked AS charges ON charges.id = pairs.charge_id AND charges.outstanding > 0
    JOIN exported_fines AS credit_sent ON credit_sent.fine_id = credits.id
    JOIN exported_fines AS charge_sent ON charge_sent.fine_id = charges.id AND charge_sent.profile = credit_sent.profile
), even AS (
    SELECT credit_id, charge_id, least(credit, charge - credit_amount) AS amount FROM sent WHERE credit_amount < charge
)
SELECT credit_id, 'REVERSED', amount, :batch_id FROM even
UNION ALL
SELECT charge_id, 'REVERSED', -amount, :batch_id FROM even;
