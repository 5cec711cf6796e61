-- requires: incoming_fines, row_messages, staged_fines
-- Rejects the credits that take back more of a charge than is left of it after waivers, refunds, the credits in the ledger,
-- and the credits above them in the file: new ones, known ones that name their charge for the first time, and known ones at the
-- library whose amount grows. A credit that is rejected takes nothing more back.
INSERT INTO row_messages (kind, code, of_table, line, source_id, field, value, reason, remedy)
SELECT 'rejected', 'too_much_reversed', 'fines', line, source_id, 'amount', given_amount, CASE
        WHEN reversible > reversed_above
        THEN format('amount %s takes back more than the %s that is left of the charge %s', given_amount,
                    to_char(reversible - reversed_above, 'FM99999999990.009'), to_json(left(charge_source_id, 60)))
        ELSE format('amount %s: nothing is left of the charge %s to take back, since it has been waived, refunded or reversed',
                    given_amount, to_json(left(charge_source_id, 60))) END,
       'lower it, or leave the line out'
FROM (
    SELECT *, pg_temp.sum_fitting(amount, reversible) OVER (
                  PARTITION BY charge_source_id ORDER BY line ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reversed_above
    FROM (
        SELECT incoming.line, incoming.source_id, given.amount AS given_amount,
               CASE WHEN known.reverses IS NULL THEN 0 ELSE known.amount END - incoming.amount AS amount,
               coalesce(fines.source_id, given.reverses) AS charge_source_id, coalesce(old_charge.reversible, 0)
                   + greatest(coalesce(new_charge.amount - fines.amount, new_charge.amount, 0), 0) AS reversible
        FROM incoming_fines AS incoming
        JOIN staged_fines AS given ON given.line = incoming.line
        LEFT JOIN fines AS known ON known.id = incoming.fine_id
        LEFT JOIN fines ON fines.id = CASE
            WHEN incoming.is_new OR known.reverses IS NULL THEN (SELECT id FROM fines WHERE source_id = given.reverses AND source = :source)
            ELSE known.reverses END
        LEFT JOIN incoming_fines AS new_charge    -- a charge grows only at the library
               ON new_charge.source_id = coalesce(fines.source_id, given.reverses) AND new_charge.amount > 0
              AND NOT EXISTS (SELECT FROM batch_lines JOIN batches ON batches.id = batch_id
                              WHERE batch_lines.fine_id = fines.id AND batches.released_at IS NULL)
        LEFT JOIN LATERAL (
            SELECT reversible FROM charge_totals WHERE fine_id = fines.id
            OFFSET 0  -- so that the planner sums up charge by charge
        ) AS old_charge ON true
        WHERE incoming.amount < 0
          AND CASE WHEN incoming.is_new OR known.reverses IS NULL THEN given.reverses IS NOT NULL
                   ELSE incoming.is_changed AND known.reverses IS NOT NULL AND incoming.amount < known.amount
                        AND NOT EXISTS (SELECT FROM exported_fines WHERE exported_fines.fine_id = known.id) END
    ) AS credits
) AS credits
WHERE amount > reversible - reversed_above;
