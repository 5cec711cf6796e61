-- Lists the chosen user groups and libraries that the ledger does not know.
SELECT 'user group' AS kind, code FROM unnest(CAST(:user_groups AS text[])) AS code
WHERE code NOT IN (SELECT code FROM user_groups)
UNION ALL
SELECT 'library', code FROM unnest(CAST(:libraries AS text[])) AS code WHERE code NOT IN (SELECT code FROM libraries)
ORDER BY 1, 2;
