-- requires: candidate_users
-- Evaluates the users in the scope of a purge: the first reason why a user is kept, or NULL. A user with fines at the
-- bursar is never purged. If these may be waived, they are, but the bursar has to be notified first: a purge after the
-- next export finds nothing outstanding. Credits at the bursar are the student's money and are not waived.
INSERT INTO candidate_users (user_id, reason, waives)
SELECT user_id, reason, coalesce(reason, 'outstanding_waived') = 'outstanding_waived' AND owes
FROM (
    SELECT due_users.id AS user_id, user_debts.user_id IS NOT NULL AS owes, CASE
        WHEN due_users.due IS NULL THEN 'no_date'
        WHEN user_debts.is_claimed THEN 'in_unfinished_batch'
        WHEN user_debts.is_outstanding AND NOT CAST(:may_waive_outstanding AS boolean) OR user_debts.has_outstanding_credit THEN 'outstanding'
        WHEN user_debts.has_pending_reversal THEN 'reversal_waits'
        WHEN user_debts.has_held_overpayment THEN 'overpayment_held'
        WHEN user_debts.max_debt > CAST(:threshold AS numeric) THEN 'above_threshold'
        WHEN user_debts.min_debt < 0 THEN 'credit'
        WHEN due_users.id IN (SELECT user_id FROM reversed_charges) THEN 'reversed'
        WHEN user_debts.is_disputed THEN 'disputed'
        WHEN user_debts.is_outstanding THEN 'outstanding_waived'
    END AS reason
    FROM (
        SELECT id, CASE CAST(:date AS text) WHEN 'purge_date' THEN purge_date ELSE expiry_date END AS due
        FROM users
        WHERE deleted_at IS NULL
          AND (cardinality(CAST(:user_groups AS text[])) = 0 OR user_group = ANY (CAST(:user_groups AS text[])))
    ) AS due_users
    LEFT JOIN user_debts ON user_debts.user_id = due_users.id
    WHERE due_users.due IS NULL OR due_users.due <= CAST(:due_until AS date)
) AS assessed;
