-- requires: staged_users
-- Takes from the users of the file the identifiers of its columns that it gives otherwise or leaves blank.
DELETE FROM identifiers
USING staged_users AS given
JOIN identifiers AS primary_ids ON primary_ids.type = 'userName' AND primary_ids.value = given.primary_id,
jsonb_each_text(CAST(given.identifiers AS jsonb)) AS identifier
WHERE identifiers.user_id = primary_ids.user_id
  AND identifiers.type = identifier.key
  AND identifiers.value IS DISTINCT FROM identifier.value;
