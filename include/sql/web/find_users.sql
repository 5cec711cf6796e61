-- A page of the users that a text finds, by an identifier or by the beginning of the last name: those after the user :after. Pages are
-- in the order of the index, which is `~<~`, so that only the names of a page are read. On a page, names are sorted as people sort
-- them; `place` is the place in the order of the index.
WITH start AS (SELECT coalesce(max(lower(left(last_name, 100))), '') AS name, coalesce(max(id), 0) AS id FROM users WHERE id = :after)
SELECT page.id, concat_ws(', ', users.last_name, nullif(users.first_name, '')) AS name, users.user_group, page.place,
       (SELECT value FROM identifiers WHERE identifiers.user_id = page.id AND type = 'userName') AS primary_id
FROM (
    SELECT found.id, row_number() OVER (ORDER BY found.name USING ~<~, found.id) AS place
    FROM (
        SELECT users.id, lower(left(users.last_name, 100)) AS name
        FROM identifiers JOIN users ON users.id = identifiers.user_id WHERE identifiers.value = :wanted
        UNION
        (SELECT id, lower(left(last_name, 100)) FROM users
         WHERE lower(left(last_name, 100)) LIKE lower(replace(replace(replace(left(:wanted, 100), '\', '\\'), '%', '\%'), '_', '\_')) || '%'
           AND lower(left(last_name, 100)) ~>=~ (SELECT name FROM start)
           AND (lower(left(last_name, 100)) ~>~ (SELECT name FROM start) OR id > (SELECT id FROM start))
           AND deleted_at IS NULL
         ORDER BY lower(left(last_name, 100)) USING ~<~, id LIMIT :limit)
    ) AS found, start
    WHERE found.name ~>~ start.name OR found.name = start.name AND found.id > start.id
    ORDER BY place LIMIT :limit
) AS page
JOIN users ON users.id = page.id
ORDER BY lower(users.last_name), users.first_name, users.id;
