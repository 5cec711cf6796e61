-- requires: expected_amounts, named_lines
-- Writes what a profile exported since :billed_since, and of what the lines name: a row for each line of a batch, also for a reversal. The
-- bursar may not have billed yet what was exported since :since, and may have billed what an unfinished batch has.
INSERT INTO expected_amounts
SELECT batch_lines.fine_id, batch_lines.transaction_id, fines.user_id, batch_lines.identifier, batch_lines.item_barcode, batch_lines.currency,
       CASE WHEN batches.closed_at IS NULL THEN 0 ELSE batch_lines.amount END,
       CASE WHEN batches.closed_at IS NULL THEN ARRAY[batch_lines.amount]
            WHEN batches.closed_at >= :since THEN ARRAY[0]
            ELSE CAST('{}' AS numeric[]) END
FROM (
    SELECT batch_lines.batch_id, batch_lines.number
    FROM batches JOIN batch_lines ON batch_lines.batch_id = batches.id
    WHERE batches.released_at IS NULL AND (batches.closed_at IS NULL OR batches.closed_at >= :billed_since)
          AND coalesce(batch_lines.charge_profile, batches.profile) = :profile
    UNION
    SELECT batch_lines.batch_id, batch_lines.number
    FROM named_lines JOIN batch_lines ON batch_lines.transaction_id = named_lines.transaction_id
    WHERE named_lines.fine_id IS NOT NULL
) AS chosen
JOIN batch_lines ON (batch_lines.batch_id, batch_lines.number) = (chosen.batch_id, chosen.number)
JOIN batches ON batches.id = batch_lines.batch_id
JOIN fines ON fines.id = batch_lines.fine_id;
