-- requires: staged_users
-- Deletes the identifiers of the file's users whose type is a column of the file and whose value there is blank or different.
DELETE FROM identifiers
USING staged_users AS given
JOIN identifiers AS primary_ids ON primary_ids.type = 'userName' AND primary_ids.value = given.primary_id,
jsonb_each_text(CAST(given.identifiers AS jsonb)) AS identifier
WHERE identifiers.user_id = primary_ids.user_id
  AND identifiers.type = identifier.key
  AND identifiers.value IS DISTINCT FROM identifier.value;
