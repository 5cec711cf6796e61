-- requires: staged_users
-- Adds the users that the ledger does not know, in the order of the file, and their primary ids: a row for each.
WITH new AS MATERIALIZED (
    SELECT nextval(pg_get_serial_sequence('users', 'id')) AS id, given.*
    FROM (
        SELECT * FROM staged_users
        WHERE NOT EXISTS (SELECT FROM identifiers WHERE type = 'userName' AND value = staged_users.primary_id)
        ORDER BY line
    ) AS given
), added AS (
    INSERT INTO users (id, last_name, first_name, user_group, expiry_date, purge_date)
    OVERRIDING SYSTEM VALUE
    SELECT id, last_name, coalesce(first_name, ''), user_group, pg_temp.as_day(expiry_date), pg_temp.as_day(purge_date)
    FROM new
)
INSERT INTO identifiers (user_id, type, value) SELECT id, 'userName', primary_id FROM new;
