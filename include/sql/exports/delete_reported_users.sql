-- requires: candidates
-- Deletes the users whose identifier is valid now, or wrong for another reason. A repeated mistake is new.
DELETE FROM reported_users
USING (SELECT DISTINCT user_id, reason FROM candidates WHERE reason IS NULL OR reason = ANY (CAST(:reasons AS text[]))) AS met
WHERE reported_users.profile = :profile
  AND reported_users.user_id = met.user_id
  AND reported_users.reason IS DISTINCT FROM met.reason;
