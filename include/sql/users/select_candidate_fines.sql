-- requires: candidate_fines, listed_fines
-- Evaluates the fines in the scope of bulk waiving: the first reason why a fine is not waived, or NULL. The threshold
-- is compared with all that the user owes, at the library and at the bursar; above it, none of the user's fines is
-- waived. A credit is the user's money: it is not waived, and a user who has one open settles it against the charges
-- first. A charge is not given up twice: an amount that credits have reversed is not waived as well.
INSERT INTO candidate_fines (fine_id, user_id, currency, balance, outstanding, reason)
SELECT fines.id, fines.user_id, fines.currency, fines.balance, fines.outstanding, CASE
           WHEN NOT asked.fits THEN 'not_chosen'
           WHEN fines.balance = 0 AND fines.outstanding = 0 THEN 'settled'
           WHEN active.claimed_by IS NOT NULL THEN 'in_unfinished_batch'
           WHEN fines.outstanding <> 0 AND NOT CAST(:may_waive_outstanding AS boolean) THEN 'outstanding'
           WHEN user_debts.max_debt > CAST(:threshold AS numeric) THEN 'above_threshold'
           WHEN user_debts.has_credit THEN 'credit'
           WHEN fines.id IN (SELECT fine_id FROM reversed_charges) THEN 'reversed'
           WHEN fines.status = 'DISPUTED' THEN 'disputed'
       END
FROM (
    SELECT fine_id AS id FROM listed_fines
    UNION
    SELECT id FROM active_fines WHERE NOT CAST(:is_listed AS boolean) AND (balance <> 0 OR outstanding <> 0)
) AS requested
JOIN fines ON fines.id = requested.id
JOIN users ON users.id = fines.user_id
LEFT JOIN user_debts ON user_debts.user_id = fines.user_id
LEFT JOIN active_fines AS active ON active.id = fines.id
CROSS JOIN LATERAL (VALUES (
    (cardinality(CAST(:user_groups AS text[])) = 0 OR users.user_group = ANY (CAST(:user_groups AS text[])))
    AND (cardinality(CAST(:fine_fee_types AS text[])) = 0 OR fines.fine_fee_type = ANY (CAST(:fine_fee_types AS text[])))
    AND (cardinality(CAST(:libraries AS text[])) = 0 OR fines.owner_library = ANY (CAST(:libraries AS text[])))
    AND fines.created_at >= coalesce(CAST(:created_from AS timestamptz), '-infinity')
    AND fines.created_at < coalesce(CAST(:created_before AS timestamptz), 'infinity')
)) AS asked (fits)
WHERE CAST(:is_listed AS boolean) OR asked.fits;
