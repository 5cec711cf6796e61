-- Registers a file that has arrived in a run under a name; returns its id. A later try of the run may find other bytes under the
-- name and replace the earlier ones, unless the run has loaded these: then it returns nothing.
INSERT INTO file_arrivals AS known (file_id, profile, run_id, name, size, modified)
SELECT id, :profile, :run_id, :name, :size, :modified FROM import_files WHERE sha256 = :sha256 AND repeated_arrival_id IS NULL
ON CONFLICT (profile, run_id, name) DO UPDATE
    SET file_id = EXCLUDED.file_id, size = EXCLUDED.size, modified = EXCLUDED.modified, archived_at = NULL,
        archived_path = NULL, warning = NULL
    WHERE NOT EXISTS (SELECT FROM import_files WHERE id = known.file_id AND read_at IS NOT NULL)
RETURNING file_id;
