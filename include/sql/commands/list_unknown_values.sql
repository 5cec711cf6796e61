-- Lists the values of profiles that the ledger does not have.
SELECT 'library' AS kind, wanted AS value FROM unnest(CAST(:libraries AS text[])) AS wanted
WHERE NOT EXISTS (SELECT FROM libraries WHERE libraries.code = wanted)
UNION ALL
SELECT 'user group', wanted FROM unnest(CAST(:user_groups AS text[])) AS wanted
WHERE NOT EXISTS (SELECT FROM user_groups WHERE user_groups.code = wanted)
UNION ALL
SELECT 'fine of the type', wanted FROM unnest(CAST(:fine_fee_types AS text[])) AS wanted
WHERE NOT EXISTS (SELECT FROM fines WHERE fines.fine_fee_type = wanted)
UNION ALL
SELECT 'identifier of the type', wanted FROM unnest(CAST(:identifier_types AS text[])) AS wanted
WHERE NOT EXISTS (SELECT FROM identifiers WHERE identifiers.type = wanted);
