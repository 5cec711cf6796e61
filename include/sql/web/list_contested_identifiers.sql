-- A page of the users who claim an identifier that others claim, too, by their internal ids, with up to :others of these users.
SELECT claims.user_id, concat_ws(', ', users.last_name, nullif(users.first_name, '')) AS name, claims.type, claims.value,
       ARRAY(SELECT others.user_id FROM contested_identifiers AS others
             WHERE others.type = claims.type AND others.value = claims.value AND others.user_id <> claims.user_id
             ORDER BY others.user_id LIMIT :others) AS others
FROM (
    SELECT DISTINCT user_id FROM contested_identifiers WHERE user_id > :after ORDER BY user_id LIMIT :limit
) AS page
JOIN contested_identifiers AS claims ON claims.user_id = page.user_id
JOIN users ON users.id = claims.user_id
ORDER BY claims.user_id, claims.type, claims.value;
