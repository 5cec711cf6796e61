-- Registers a file by its bytes; one that is known already stays as it is.
INSERT INTO import_files (profile, run_id, name, size, modified, sha256, amount_mode)
VALUES (:profile, :run_id, :name, :size, :modified, :sha256, :amount_mode)
ON CONFLICT (sha256) DO NOTHING;
