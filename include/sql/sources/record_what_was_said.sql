-- requires: fine_changes, staged_fines
-- Records what the source says about the changed fines now, except about deferred ones.
UPDATE fines SET source_amount = sign(fines.amount) * new_amount, source_balance = sign(fines.amount) * new_balance,
                 source_status = coalesce(given.status, source_status, 'open')
FROM fine_changes JOIN staged_fines AS given USING (line)
WHERE fines.id = fine_changes.fine_id AND NOT is_new AND place <> 'batch';
