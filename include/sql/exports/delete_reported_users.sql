-- requires: candidates
-- Deletes the users of whom no fine is left out for the reported reason any more. A repeated mistake is new.
DELETE FROM reported_users
USING (SELECT DISTINCT user_id FROM candidates WHERE reason IS NULL OR reason = ANY (CAST(:reasons AS text[]))) AS met
WHERE reported_users.profile = :profile
  AND reported_users.user_id = met.user_id
  AND NOT EXISTS (SELECT FROM candidates WHERE candidates.user_id = reported_users.user_id AND candidates.reason = reported_users.reason);
