-- requires: users_to_delete
-- Erases the values in what loads said about rows of the users to delete: of their fines, and rows with one of their identifiers.
-- A load keeps the first 60 characters of a value, in its own column and, as JSON, in the reason. That of a rejected row may have
-- the identifier of another user.
WITH names AS (
    SELECT left(value, 60) AS value FROM users_to_delete JOIN identifiers USING (user_id)
    UNION
    SELECT left(value, 60) FROM users_to_delete JOIN contested_identifiers USING (user_id)
), own_fines AS (
    SELECT fines.id, fines.source, fines.source_id FROM fines JOIN users_to_delete USING (user_id)
), found AS (
    SELECT load_id, number FROM load_messages JOIN own_fines ON own_fines.id = load_messages.fine_id
    UNION
    SELECT load_id, number
    FROM load_messages
    JOIN loads ON loads.id = load_messages.load_id
    JOIN own_fines ON (own_fines.source, own_fines.source_id) = (loads.source, load_messages.source_id)
    UNION
    SELECT load_id, number
    FROM load_messages
    CROSS JOIN LATERAL (
        SELECT value UNION SELECT CASE WHEN pg_input_is_valid(quoted[1], 'json') THEN CAST(quoted[1] AS json) #>> '{}' END
        FROM regexp_matches(reason, '("(?:[^"\\]|\\.)*")', 'g') AS quoted
    ) AS said
    JOIN names ON names.value = said.value
    WHERE field IN ('primary_id', 'user_id') OR field LIKE 'identifier:%'
)
UPDATE load_messages SET value = NULL, reason = 'erased, since the user was deleted'
FROM found WHERE (load_messages.load_id, load_messages.number) = (found.load_id, found.number);
