-- requires: fine_changes
-- Records what the source says about the changed fines now, except about deferred ones.
UPDATE fines SET source_amount = sign(fines.amount) * new_amount,
                 source_balance = CASE WHEN batch_id IS NULL THEN sign(fines.amount) * new_balance END,
                 source_status = new_status
FROM fine_changes
WHERE fines.id = fine_changes.fine_id AND (NOT is_new AND place <> 'batch' OR is_new AND batch_id IS NOT NULL);
