-- Lists the values of profiles that the ledger does not have.
SELECT 'library' AS kind, value FROM unnest(CAST(:libraries AS text[])) AS value
WHERE NOT EXISTS (SELECT FROM libraries WHERE libraries.code = value)
UNION ALL
SELECT 'user group', value FROM unnest(CAST(:user_groups AS text[])) AS value
WHERE NOT EXISTS (SELECT FROM user_groups WHERE user_groups.code = value)
UNION ALL
SELECT 'fine of the type', value FROM unnest(CAST(:fine_fee_types AS text[])) AS value
WHERE NOT EXISTS (SELECT FROM fines WHERE fines.fine_fee_type = value)
UNION ALL
SELECT 'identifier of the type', value FROM unnest(CAST(:identifier_types AS text[])) AS value
WHERE NOT EXISTS (SELECT FROM identifiers WHERE identifiers.type = value);
