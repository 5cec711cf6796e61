-- Registers a file by its bytes; one that is known already stays as it is.
INSERT INTO import_files (profile, run, name, size, modified, sha256, amounts)
VALUES (:profile, :run, :name, :size, :modified, :sha256, :amounts)
ON CONFLICT (sha256) DO NOTHING;
