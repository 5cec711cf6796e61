-- Lists the active fines of a user: the amount owed and where, and the batch and the bursar of each export, past or
-- under way.
SELECT active.id, active.currency, active.balance, active.outstanding, active.pending_reversal, active.held_overpayment,
       going.id AS going_in, going.profile AS going_to, sent.profile AS sent_to, sent.transaction_id
FROM active_fines AS active
LEFT JOIN batches AS going ON going.id = active.claimed_by
LEFT JOIN exported_fines AS sent ON sent.fine_id = active.id
WHERE active.user_id = :user_id
ORDER BY active.id;
