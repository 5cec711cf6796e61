-- Offsets credits against the charges that they reverse, where the same bursar has received both, one of them in this
-- batch. The smaller amount is no longer outstanding on either: the bursar would never report it as paid. A charge and its
-- credits are brought together by windows: without statistics of a new batch, a join could be one of all lines with all.
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
    SELECT id, coalesce(reverses, id) AS charge_id, outstanding FROM fines
    WHERE id IN (SELECT credit_id FROM pairs UNION SELECT charge_id FROM pairs)
    ORDER BY id FOR UPDATE
), sent AS (
    SELECT locked.id, charge_id, -outstanding AS credit, profile,
           max(outstanding) FILTER (WHERE locked.id = charge_id) OVER of_charge AS charge,
           max(profile) FILTER (WHERE locked.id = charge_id) OVER of_charge AS charge_profile
    FROM locked JOIN exported_fines ON exported_fines.fine_id = locked.id
    WINDOW of_charge AS (PARTITION BY charge_id)
), credits AS (
    SELECT id, charge_id, charge, credit,
           coalesce(sum(credit) OVER (PARTITION BY charge_id ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS credit_amount
    FROM sent WHERE id <> charge_id AND credit > 0 AND charge > 0 AND profile = charge_profile
), even AS (
    SELECT id, charge_id, least(credit, charge - credit_amount) AS amount FROM credits WHERE credit_amount < charge
)
SELECT id, 'REVERSED', amount, :batch_id FROM even
UNION ALL
SELECT charge_id, 'REVERSED', -amount, :batch_id FROM even;
