-- requires: incoming_users, staged_users
-- Updates the names, group and dates of users that the ledger knows.
UPDATE users SET
    last_name = given.last_name,
    first_name = coalesce(given.first_name, ''),
    user_group = given.user_group,
    expiry_date = pg_temp.as_day(given.expiry_date),
    purge_date = pg_temp.as_day(given.purge_date)
FROM incoming_users JOIN staged_users AS given ON given.line = incoming_users.line
WHERE users.id = incoming_users.known_id
  AND (users.last_name, users.first_name, users.user_group, users.expiry_date, users.purge_date) IS DISTINCT FROM
      (given.last_name, coalesce(given.first_name, ''), given.user_group,
       pg_temp.as_day(given.expiry_date), pg_temp.as_day(given.purge_date));
