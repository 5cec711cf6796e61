-- The newest files of payments, of one profile or (NULL) of all, and where they are archived.
SELECT import_files.*, file_arrivals.archived_path
FROM import_files
LEFT JOIN LATERAL (
    SELECT archived_path FROM file_arrivals WHERE file_arrivals.file_id = import_files.id ORDER BY id LIMIT 1
) AS file_arrivals ON true
WHERE CAST(:profile AS text) IS NULL OR import_files.profile = :profile
ORDER BY import_files.id DESC LIMIT :limit;
