-- The fines of a user that are considered active: what is owed where, in which batch, and to whom it was exported.
SELECT active.id, active.currency, active.balance, active.outstanding, batches.id AS batch_id, batches.profile,
       active.claimed_by IS NOT NULL AS is_claimed, lines.transaction_id
FROM active_fines AS active
LEFT JOIN batches ON batches.id = coalesce(
    active.claimed_by,
    (SELECT max(journal.batch_id) FROM journal
     WHERE journal.fine_id = active.id AND journal.kind = 'EXPORTED' AND active.outstanding <> 0))
LEFT JOIN lines ON lines.batch_id = batches.id AND lines.fine_id = active.id
WHERE active.user_id = :user_id
ORDER BY active.id;
