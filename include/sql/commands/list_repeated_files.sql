-- The newest arrivals of files with known bytes that nobody has applied again, of one profile or (NULL) of all.
SELECT *
FROM repeated_arrivals
WHERE (CAST(:profile AS text) IS NULL OR profile = :profile) AND again_file_id IS NULL
ORDER BY id DESC LIMIT :limit;
