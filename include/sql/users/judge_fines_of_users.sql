-- Hands the verdicts about users down to their active fines.
INSERT INTO judged_fines (fine_id, user_id, currency, balance, outstanding, reason)
SELECT active.id, active.user_id, active.currency, active.balance, active.outstanding,
       CASE WHEN NOT judged_users.waives THEN judged_users.reason END
FROM active_fines AS active JOIN judged_users ON judged_users.user_id = active.user_id;
