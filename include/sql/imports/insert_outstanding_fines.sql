-- requires: outstanding_fines, user_records
-- Locks and inserts the outstanding fines that a profile exported for the users of a file, or another one for a charge of its own, each
-- under its newest line. The batches are no join: IS TRUE keeps the planner, whose statistics of so small a table may be old, from a
-- scan of all lines for each batch.
INSERT INTO outstanding_fines
WITH exported AS (
    SELECT DISTINCT ON (batch_lines.fine_id) batch_lines.fine_id, batch_lines.identifier, batch_lines.item_barcode,
           batch_lines.transaction_id
    FROM fines
    JOIN batch_lines ON batch_lines.fine_id = fines.id
    WHERE fines.outstanding <> 0 AND NOT batch_lines.reversal
      AND (batch_lines.batch_id IN (SELECT id FROM batches WHERE released_at IS NULL AND profile = :profile) OR
           batch_lines.charge_profile = :profile AND batch_lines.batch_id IN (SELECT id FROM batches WHERE released_at IS NULL)) IS TRUE
      AND batch_lines.identifier IN (SELECT identifier FROM user_records)
    ORDER BY batch_lines.fine_id, batch_lines.batch_id DESC
), locked AS (
    SELECT id, user_id, currency, outstanding, created_at FROM fines
    WHERE id IN (SELECT fine_id FROM exported) AND outstanding <> 0
    ORDER BY id FOR UPDATE
)
SELECT exported.identifier, exported.item_barcode, exported.fine_id, locked.user_id, exported.transaction_id, locked.currency,
       locked.outstanding, locked.created_at
FROM exported JOIN locked ON locked.id = exported.fine_id;
