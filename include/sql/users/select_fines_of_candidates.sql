-- requires: candidate_fines, candidate_users
-- Applies the decisions about users to their active fines.
INSERT INTO candidate_fines (fine_id, user_id, currency, balance, outstanding, reason)
SELECT active.id, active.user_id, active.currency, active.balance, active.outstanding,
       CASE WHEN NOT candidate_users.waives THEN candidate_users.reason END
FROM active_fines AS active JOIN candidate_users ON candidate_users.user_id = active.user_id;
