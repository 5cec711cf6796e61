-- Returns the users, not yet deleted, with this primary id or this internal id.
SELECT users.id
FROM users
WHERE users.deleted_at IS NULL
  AND (users.id = CASE WHEN :wanted ~ '^[0-9]{1,18}$' THEN CAST(:wanted AS bigint) END
       OR users.id = (SELECT user_id FROM identifiers WHERE type = 'userName' AND value = :wanted))
ORDER BY users.id;
