-- A user: name, group, dates and identifiers.
SELECT users.id, concat_ws(', ', users.last_name, nullif(users.first_name, '')) AS name,
       coalesce(user_groups.name, users.user_group) AS user_group, users.expiry_date, users.purge_date, users.deleted_at,
       ARRAY(SELECT concat(type, ': ', value) FROM identifiers WHERE identifiers.user_id = users.id ORDER BY type) AS identifiers
FROM users LEFT JOIN user_groups ON user_groups.code = users.user_group
WHERE users.id = :user_id;
