-- requires: incoming_users, staged_users
-- Adds the users that the ledger does not know, in the order of the file.
INSERT INTO users (id, last_name, first_name, user_group, expiry_date, purge_date)
OVERRIDING SYSTEM VALUE
SELECT incoming_users.id, last_name, coalesce(first_name, ''), user_group, pg_temp.as_day(expiry_date), pg_temp.as_day(purge_date)
FROM incoming_users JOIN staged_users USING (line)
WHERE known_id IS NULL
ORDER BY line;
