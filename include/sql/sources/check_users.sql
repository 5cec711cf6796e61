-- requires: incoming_users, row_messages, staged_users
-- Rejects the wrong rows of users. Their groups have to be in the ledger.
INSERT INTO row_messages (kind, code, of_table, line, field, value, reason, remedy)
SELECT 'rejected', fault ->> 0, 'users', line, fault ->> 1, fault ->> 2, fault ->> 3, fault ->> 4
FROM (
    SELECT staged_users.*, incoming_users.known_id,
           min(line) OVER same_name AS first_line, min(user_id) OVER same_name <> max(user_id) OVER same_name AS has_several_users,
           min(line) OVER (PARTITION BY user_id) AS first_line_of_id,
           min(line) OVER (PARTITION BY incoming_users.known_id) AS first_line_of_user
    FROM staged_users JOIN incoming_users USING (line)
    WINDOW same_name AS (PARTITION BY staged_users.primary_id)
) AS given
CROSS JOIN LATERAL unnest(array_remove(ARRAY[
    CASE WHEN primary_id IS NULL
         THEN pg_temp.fault('missing', 'primary_id', NULL, 'primary_id is missing', 'fill it in') END,
    CASE WHEN has_several_users
         THEN pg_temp.fault('repeated', 'primary_id', primary_id,
                            format('primary_id %s is that of two users in the file', to_json(left(primary_id, 60))),
                            'correct it in the library system')
         WHEN first_line < line AND primary_id IS NOT NULL
         THEN pg_temp.fault('repeated', 'primary_id', primary_id,
                            format('primary_id %s is on line %s already', to_json(left(primary_id, 60)), first_line),
                            'leave one out') END,
    CASE WHEN first_line_of_id < line AND user_id IS NOT NULL
         THEN pg_temp.fault('repeated', 'user_id', user_id,
                            format('user_id %s is on line %s already', to_json(left(user_id, 60)), first_line_of_id),
                            'leave one out') END,
    CASE WHEN first_line_of_user < line AND known_id IS NOT NULL AND first_line = line
              AND (user_id IS NULL OR first_line_of_id = line)
         THEN pg_temp.fault('repeated', 'primary_id', primary_id,
                            format('primary_id %s is that of a user who is on line %s already', to_json(left(primary_id, 60)),
                                   first_line_of_user), 'leave one out') END,
    CASE WHEN last_name IS NULL
         THEN pg_temp.fault('missing', 'last_name', NULL, 'last_name is missing', 'fill it in') END,
    CASE WHEN user_group IS NULL
         THEN pg_temp.fault('missing', 'user_group', NULL, 'user_group is missing', 'fill it in')
         WHEN user_group NOT IN (SELECT code FROM user_groups)
         THEN pg_temp.fault('unknown_group', 'user_group', user_group,
                            format('user_group %s is unknown', to_json(left(user_group, 60))),
                            'name it in the file of user groups') END,
    CASE WHEN expiry_date IS NOT NULL AND pg_temp.as_day(expiry_date) IS NULL
         THEN pg_temp.fault('malformed', 'expiry_date', expiry_date,
                            format('expiry_date %s is not a day such as 2026-09-30', to_json(left(expiry_date, 60))),
                            'correct it') END,
    CASE WHEN purge_date IS NOT NULL AND pg_temp.as_day(purge_date) IS NULL
         THEN pg_temp.fault('malformed', 'purge_date', purge_date,
                            format('purge_date %s is not a day such as 2026-09-30', to_json(left(purge_date, 60))),
                            'correct it') END
], NULL)) AS fault;
