-- requires: candidates
-- The candidates that are skipped for a reason, in the order of users and fines, after a fine of a user.
SELECT candidates.fine_id, candidates.user_id, concat_ws(', ', users.last_name, nullif(users.first_name, '')) AS patron_name,
       candidates.identifier, fines.fine_fee_type, fines.created_at, candidates.currency, candidates.amount
FROM candidates
JOIN fines ON fines.id = candidates.fine_id
JOIN users ON users.id = candidates.user_id
WHERE candidates.reason = :reason AND (candidates.user_id, candidates.fine_id) > (:after_user, :after_fine)
ORDER BY candidates.user_id, candidates.fine_id
LIMIT :limit;
