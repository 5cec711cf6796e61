-- What was judged as the preview lists it: what goes (reason NULL) first, at most :limit for each reason.
SELECT fine_id, patron_name, identifier, fine_fee_type, created_at, currency, amount, takes_back, reason
FROM (
    SELECT judged.fine_id, concat_ws(', ', users.last_name, nullif(users.first_name, '')) AS patron_name,
           judged.identifier, fines.fine_fee_type, fines.created_at, judged.currency, judged.amount, judged.takes_back,
           judged.reason, row_number() OVER (PARTITION BY judged.reason ORDER BY judged.user_id, judged.fine_id) AS position
    FROM judged JOIN fines ON fines.id = judged.fine_id JOIN users ON users.id = judged.user_id
) AS listed
WHERE position <= :limit
ORDER BY reason NULLS FIRST, position;
