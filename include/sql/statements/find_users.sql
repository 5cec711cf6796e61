-- requires: named_lines
-- Finds the user of each line: the one under whose identifier the profile exported fines.
UPDATE named_lines
SET user_id = CASE WHEN found.users = 1 THEN found.user_id END,
    reason = CASE WHEN coalesce(found.users, 0) = 0 THEN 'no fine was exported with this identifier'
                  WHEN found.users > 1 THEN 'fines of several users were exported with this identifier' END
FROM (
    SELECT named.identifier, count(DISTINCT fines.user_id) AS users, min(fines.user_id) AS user_id
    FROM (SELECT DISTINCT identifier FROM named_lines WHERE identifier IS NOT NULL) AS named
    LEFT JOIN (batch_lines JOIN batches ON batches.id = batch_lines.batch_id JOIN fines ON fines.id = batch_lines.fine_id)
        ON batch_lines.identifier = named.identifier AND batches.released_at IS NULL
           AND (batches.profile = :profile OR batch_lines.charge_profile = :profile)
    GROUP BY named.identifier
) AS found
WHERE named_lines.identifier = found.identifier AND named_lines.reason IS NULL;
