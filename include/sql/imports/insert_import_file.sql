-- Registers a file by its bytes; does nothing if it is known.
INSERT INTO import_files (profile, run_id, name, size, modified, sha256, amount_mode)
VALUES (:profile, :run_id, :name, :size, :modified, :sha256, :amount_mode)
ON CONFLICT (sha256) WHERE repeated_arrival_id IS NULL DO NOTHING;
