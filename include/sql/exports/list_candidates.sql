-- requires: candidates
-- Lists the candidates for the preview: selected fines (reason NULL) first, at most :limit for each reason.
SELECT fine_id, user_id, patron_name, identifier, fine_fee_type, created_at, currency, amount, is_reversal, reason
FROM (
    SELECT candidates.fine_id, candidates.user_id, concat_ws(', ', users.last_name, nullif(users.first_name, '')) AS patron_name,
           candidates.identifier, fines.fine_fee_type, fines.created_at, candidates.currency, candidates.amount, candidates.is_reversal,
           candidates.reason, row_number() OVER (PARTITION BY candidates.reason ORDER BY candidates.user_id, candidates.fine_id) AS position
    FROM candidates JOIN fines ON fines.id = candidates.fine_id JOIN users ON users.id = candidates.user_id
) AS listed
WHERE position <= :limit
ORDER BY reason NULLS FIRST, position;
