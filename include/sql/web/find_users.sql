-- Users that a text finds: by an identifier, or by the beginning of the last name. The order `~<~` is that of the index, so that only
-- the first names that begin so are read.
SELECT found.id, concat_ws(', ', users.last_name, nullif(users.first_name, '')) AS name, users.user_group,
       (SELECT value FROM identifiers WHERE identifiers.user_id = found.id AND type = 'userName') AS primary_id
FROM (
    SELECT user_id AS id FROM identifiers WHERE value = :wanted
    UNION
    (SELECT id FROM users
     WHERE lower(left(last_name, 100)) LIKE lower(replace(replace(replace(left(:wanted, 100), '\', '\\'), '%', '\%'), '_', '\_')) || '%'
       AND deleted_at IS NULL
     ORDER BY lower(left(last_name, 100)) USING ~<~, id LIMIT :limit)
) AS found
JOIN users ON users.id = found.id
ORDER BY lower(users.last_name), users.first_name, users.id
LIMIT :limit;
