-- A page of a user's fines, newest first, below the id where the page before ended, with the bursar that has them.
SELECT fines.id, fines.created_at, fines.fine_fee_type, fines.currency, fines.amount, fines.balance, fines.outstanding,
       fines.status, sent.profile AS sent_by, sent.transaction_id AS sent_as
FROM fines
LEFT JOIN exported_fines AS sent ON sent.fine_id = fines.id
WHERE fines.user_id = :user_id AND (CAST(:below AS bigint) IS NULL OR fines.id < :below)
ORDER BY fines.id DESC
LIMIT :limit;
