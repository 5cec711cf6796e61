-- The newest files of payments, of one profile or (NULL) of all, and where they lie now.
SELECT import_files.*, arrivals.put_away_to
FROM import_files
LEFT JOIN LATERAL (SELECT put_away_to FROM arrivals WHERE arrivals.file_id = import_files.id ORDER BY id LIMIT 1) AS arrivals ON true
WHERE CAST(:profile AS text) IS NULL OR import_files.profile = :profile
ORDER BY import_files.id DESC LIMIT :limit;
